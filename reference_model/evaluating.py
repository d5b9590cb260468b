"""What ``python -m reference_model.evaluate`` does once its arguments are known: open a run and data, and report."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

from dataclasses import replace
from pathlib import Path
from typing import Any

from reference_model.config import DataKind
from reference_model.engine.evaluation import choose_device, evaluate_model
from reference_model.engine.results import build_report, write_report
from reference_model.engine.sources import align_targets, open_data
from reference_model.engine.trained import load_trained
from reference_model.runs import RunError, warn_user
from reference_model.stages.registry import load_stage


def describe_evaluation(report: dict[str, Any]) -> str:
    """Return a report as text."""
    return load_stage(report["stage"]).describe(report)


def evaluate(
    checkpoint: Path,
    *,
    data: DataKind | None = None,
    root: Path | None = None,
    split: str | None = None,
    out: Path | None = None,
) -> tuple[dict[str, Any], Path]:
    """Evaluate a net trained earlier and write its report.

    Baselines are those of the data that the net was trained on, also on other data.

    Args:
        checkpoint: The run's folder, or a checkpoint inside it.
        data: The data set; by default the run's.
        root: Folder of the data; by default the run's, where the data set is the run's. For synthetic pictures, where
            they are drawn if they are not there.
        split: ``"train"``, ``"valid"`` or ``"test"``; by default the partitions that the stage reports on.
        out: Folder of the report; ``evaluations/DATA-SPLIT`` in the run's folder by default.

    Returns:
        The report, and the folder it was written to.

    Raises:
        RunError: If there is no such run.
        ValueError: If the data cannot be read, or is not what the net predicts.
    """
    trained = load_trained(checkpoint)
    stage = trained.stage
    name = data or trained.config.data
    place = root or (trained.config.root if name == trained.config.data else None)
    config = replace(trained.config, data=name, root=place)
    if name != trained.config.data:  # whose training pictures the settings chose from
        config = replace(config, read=replace(config.read, train_rows=None, label_share=1.0, shuffle_people=False))
    source = open_data(config, stage)
    warn_user(source.warnings)
    labels = trained.labels
    targets = align_targets(source.targets, tuple(labels["names"]), labels["details"], data=name)
    partitions = stage.partitions if split is None else (split,)
    for partition in partitions:
        if not source.size(partition):
            raise RunError(f"{name} has no pictures in the partition {partition}")
    evaluation, unusable = evaluate_model(
        trained.module.model,
        trained.module.criterion,
        replace(source, targets=targets),
        config,
        partitions=partitions,
        device=choose_device("auto"),
    )
    folder = out or trained.run.path / "evaluations" / f"{name}-{'-'.join(partitions)}"
    folder.mkdir(parents=True, exist_ok=True)
    report = build_report(stage, evaluation, data=name, unusable=unusable)
    write_report(folder, stage, report)
    return report, folder
