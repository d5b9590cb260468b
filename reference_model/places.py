"""The files that a new run names, looked at before anything is read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from reference_model.config import STAGE_DATA, RunConfig
from reference_model.data.recognise import recognise
from reference_model.settings.plain import SettingsError


def check_places(config: RunConfig) -> None:
    """Look at the files that a new run names.

    Raises:
        SettingsError: If one is not there or lies in the run's folder, or if the folder for synthetic faces holds a
            data set.
    """
    weights = {f"weights.{name}": path for name, path in asdict(config.weights).items()}
    for name, path in {**weights, "read.exclude_names": config.read.exclude_names}.items():
        if path is not None and not path.is_file():
            raise SettingsError(f"--{name} {path}: no such file")
        if path is not None and config.out is not None and path.resolve().is_relative_to(config.out.resolve()):
            raise SettingsError(f"--{name} {path} lies in --out {config.out}, where the run starts; move it elsewhere")
    if config.data == "synthetic" and config.root is not None:
        _check_drawn(config, config.root)


def _check_drawn(config: RunConfig, root: Path) -> None:
    drawn = any((root / name).is_file() for name in ("synthetic_faces.json", "pool.json"))
    looks_like = None if drawn else recognise(root)
    if looks_like is None:
        return
    if looks_like == "celeba" and config.stage == "identity":
        looks_like = "celeba_people"
    advice = f"give --data {looks_like}"
    if looks_like not in STAGE_DATA[config.stage]:
        advice = f"the stage {config.stage} reads {', '.join(STAGE_DATA[config.stage])}"
    raise SettingsError(f"{root} holds no synthetic faces; it looks like the data set {looks_like}: {advice}")
