"""The stages by name."""

from __future__ import annotations

from importlib import import_module

from reference_model.config import STAGES
from reference_model.stages.stage import Stage


def load_stage(name: str) -> Stage:
    """Return a stage by name: the value ``STAGE`` of the module of that name in `reference_model.stages`.

    Raises:
        ValueError: If there is none of this name.
    """
    if name not in STAGES:
        raise ValueError(f"unknown stage {name!r}; the stages are {', '.join(STAGES)}")
    stage: Stage = import_module(f"reference_model.stages.{name}").STAGE
    return stage
