"""What ``python -m reference_model.evaluate`` does once its arguments are known: open a run and data, and report."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reference_model.config import DataKind
from reference_model.engine.evaluation import choose_device, evaluate_model
from reference_model.engine.results import build_report, write_report
from reference_model.engine.sources import align_targets, open_data
from reference_model.engine.trained import Trained, load_trained
from reference_model.runs import RunError, warn_user
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Evaluation


def describe_evaluation(report: dict[str, Any]) -> str:
    """Return a report as text."""
    return load_stage(report["stage"]).describe(report)


class Answers(NamedTuple):
    """What a net that was trained earlier says of a data set.

    Attributes:
        trained: The net.
        data: The data set.
        evaluation: What the net says of each picture of some partitions, with the pictures' labels.
        unusable: What is wrong with the pictures that cannot be used.
    """

    trained: Trained
    data: str
    evaluation: Evaluation
    unusable: tuple[str, ...]


def answers_of(
    checkpoint: Path,
    *,
    data: DataKind | None = None,
    root: Path | None = None,
    partitions: Sequence[str] = (),
) -> Answers:
    """Let a net that was trained earlier see every picture of some partitions.

    Args:
        checkpoint: The run's folder, or a checkpoint inside it.
        data: The data set; by default the run's.
        root: Folder of the data; by default the run's, where the data set is the run's. For synthetic pictures, where
            they are drawn if they are not there.
        partitions: Some of ``"train"``, ``"valid"`` and ``"test"``; by default those that the stage reports on.

    Raises:
        RunError: If there is no such run, or a partition has no pictures.
        ValueError: If the data cannot be read, or is not what the net predicts.
    """
    trained = load_trained(checkpoint)
    name = data or trained.config.data
    place = root or (trained.config.root if name == trained.config.data else None)
    config = replace(trained.config, data=name, root=place)
    if name != trained.config.data:  # whose training pictures the settings chose from
        config = replace(config, read=replace(config.read, train_rows=None, label_share=1.0, shuffle_people=False))
    source = open_data(config, trained.stage)
    warn_user(source.warnings)
    labels = trained.labels
    targets = align_targets(source.targets, tuple(labels["names"]), labels["details"], data=name)
    partitions = partitions or trained.stage.partitions
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
    return Answers(trained, name, evaluation, unusable)


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
        data: As of `answers_of`.
        root: As of `answers_of`.
        split: ``"train"``, ``"valid"`` or ``"test"``; by default the partitions that the stage reports on.
        out: Folder of the report; ``evaluations/DATA-SPLIT`` in the run's folder by default.

    Returns:
        The report, and the folder it was written to.

    Raises:
        RunError, ValueError: As `answers_of`.
    """
    answers = answers_of(checkpoint, data=data, root=root, partitions=() if split is None else (split,))
    stage, name = answers.trained.stage, answers.data
    partitions = "-".join(answers.evaluation.collected)
    folder = out or answers.trained.run.path / "evaluations" / f"{name}-{partitions}"
    folder.mkdir(parents=True, exist_ok=True)
    report = build_report(stage, answers.evaluation, data=name, unusable=answers.unusable)
    write_report(folder, stage, report)
    return report, folder
