"""``python -m reference_model.evaluate``: the report of a model that was trained earlier, on any partition."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reference_model.config import DataKind, RunConfig
from reference_model.data.catalogue import SPLITS
from reference_model.engine.checkpoints import load_state, read_checkpoint
from reference_model.engine.evaluation import choose_device, evaluate_model
from reference_model.engine.module import StageModule
from reference_model.engine.results import build_report, write_report
from reference_model.engine.sources import align_targets, open_data
from reference_model.runs import USER_ERROR, RunError, RunFolder, read_figures
from reference_model.settings.files import load_config
from reference_model.settings.plain import SettingsError
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, or 2 for a run or data that cannot be used.
    """
    options = _parser().parse_args(arguments)
    try:
        report, folder = evaluate(
            options.checkpoint, data=options.data, root=options.root, split=options.split, out=options.out
        )
        stage = load_stage(report["stage"])
    except (RunError, SettingsError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    print(stage.describe(report))
    print(f"Everything is in {folder}")
    return 0


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


def load_trained(checkpoint: Path) -> Trained:
    """Load the net and the loss of a run, finished or interrupted.

    Args:
        checkpoint: The run's folder, or a checkpoint inside it.

    Raises:
        RunError: If there is no run, or the run has no checkpoint.
        ValueError: If the checkpoint cannot be read.
    """
    folder = checkpoint.parent.parent if checkpoint.is_file() else checkpoint
    run = RunFolder(folder)
    if not run.is_run():
        raise RunError(f"{checkpoint} is no run: a folder written by reference_model.train, or a checkpoint in one")
    config = load_config(run.config)
    if config.loss == "both" and config.stage == "attributes":
        raise RunError(f"{folder} holds two runs; choose {folder / 'ce'} or {folder / 'obrl'}")
    path = checkpoint if checkpoint.is_file() else run.last_checkpoint
    if not path.is_file():
        raise RunError(f"the run in {folder} was stopped before its first checkpoint; there is nothing to evaluate")
    labels, stage = read_figures(run.labels), load_stage(config.stage)
    content = read_checkpoint(path)
    targets = Targets(values=np.empty(0), names=tuple(labels["names"]), details=labels["details"])
    module = StageModule(stage, targets, config, total_steps=1)
    load_state(module, content, path)
    return Trained(run, config, stage, module.eval(), labels)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.evaluate",
        description="Report on a net that was trained earlier.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="RUN", help="a run's folder, or a checkpoint inside it"
    )
    parser.add_argument("--data", help="the data set (default: the run's)")
    parser.add_argument("--root", type=Path, help="folder of the data (default: the run's)")
    parser.add_argument("--split", choices=SPLITS, help="partition (default: those that the stage reports on)")
    parser.add_argument("--out", type=Path, help="folder of the report (default: inside the run's folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
