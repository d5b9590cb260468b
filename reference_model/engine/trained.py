"""Nets that were trained earlier, read from their runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reference_model.config import RunConfig
from reference_model.engine.checkpoints import load_state, read_checkpoint
from reference_model.engine.module import StageModule
from reference_model.runs import RunError, RunFolder, find_run, read_figures
from reference_model.settings.files import load_config
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Stage, Targets


@dataclass(frozen=True)
class Trained:
    """A net trained earlier.

    Args:
        run: Its folder.
        config: The settings it was trained with.
        stage: The stage.
        module: The net and the loss, with their weights and state.
        labels: Names and details of what it predicts.
    """

    run: RunFolder
    config: RunConfig
    stage: Stage
    module: StageModule
    labels: dict[str, Any]


def load_trained(checkpoint: Path) -> Trained:
    """Load the net and the loss of a run, finished or interrupted.

    Args:
        checkpoint: The run's folder, or a checkpoint inside it.

    Raises:
        RunError: If there is no run, or the run has no checkpoint.
        ValueError: If the checkpoint cannot be read.
    """
    run = find_run(checkpoint)
    config = load_config(run.config)
    if config.loss == "both" and config.stage == "attributes":
        raise RunError(f"{run.path} holds two runs; choose {run.path / 'ce'} or {run.path / 'obrl'}")
    path = checkpoint if checkpoint.is_file() else run.last_checkpoint
    if not path.is_file():
        raise RunError(f"the run in {run.path} was stopped before its first checkpoint; there is nothing to evaluate")
    labels, stage = read_figures(run.labels), load_stage(config.stage)
    content = read_checkpoint(path)
    targets = Targets(values=np.empty(0), names=tuple(labels["names"]), details=labels["details"])
    module = StageModule(stage, targets, config, total_steps=1)
    load_state(module, content, path)
    return Trained(run, config, stage, module.eval(), labels)
