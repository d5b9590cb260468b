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

import torch

from reference_model.checkpoints import read_checkpoint
from reference_model.cli import SettingsError, load_config
from reference_model.config import DataKind, RunConfig
from reference_model.data.table import SPLITS
from reference_model.evaluation import choose_device, evaluate_model
from reference_model.module import AttributeModule
from reference_model.nets import build_model
from reference_model.plots import plot_accuracy
from reference_model.report import format_report, relation_report
from reference_model.runs import RunError, RunFolder, read_json, write_json
from reference_model.sources import attribute_groups, open_source

USER_ERROR = 2


@dataclass(frozen=True)
class Trained:
    """A model trained earlier.

    Args:
        run: Its folder.
        config: The settings it was trained with.
        module: The net and the loss, with their weights and state.
        labels: Names of its attributes and their rates in the training partition.
    """

    run: RunFolder
    config: RunConfig
    module: AttributeModule
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
    except (RunError, SettingsError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    print(format_report(report))
    print(f"Everything is in {folder}")
    return 0


def evaluate(
    checkpoint: Path, *, data: DataKind, root: Path | None = None, split: str = "test", out: Path | None = None
) -> tuple[dict[str, Any], Path]:
    """Evaluate a model trained earlier and write its report.

    The majority baseline is the majority class of the partition the model was trained on, also on other data.

    Args:
        checkpoint: The run's folder, or a checkpoint inside it.
        data: ``"celeba"`` or ``"synthetic"``.
        root: Folder of the data; for synthetic faces, where they are drawn if they are not there.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        out: Folder of the report; ``evaluations/DATA-SPLIT`` in the run's folder by default.

    Returns:
        The report, and the folder it was written to.

    Raises:
        RunError: If there is no such run, or the data's attributes are not the model's.
        ValueError: If the data cannot be read.
    """
    trained = load_trained(checkpoint)
    config, names = trained.config, trained.labels["names"]
    source = open_source(replace(config, data=data, root=root), names)
    report = {
        "data": data,
        "split": split,
        "loss": config.loss,
        "preset": config.preset,
        "seed": config.seed,
        **evaluate_model(
            trained.module.model,
            source.pictures(split, config.images),
            names=names,
            groups=attribute_groups(names),
            train_rates=torch.tensor([trained.labels["train_rates"][name] for name in names], dtype=torch.float64),
            batch_size=config.train.eval_batch_size,
            device=choose_device("auto"),
        ),
    }
    module = trained.module
    report["relation"] = relation_report(module.criterion, config.relation, module.influence.summary())
    folder = out or trained.run.path / "evaluations" / f"{data}-{split}"
    folder.mkdir(parents=True, exist_ok=True)
    plot_accuracy(folder / "accuracy.png", report)
    write_json(folder / "report.json", report)
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
    if config.loss == "both":
        raise RunError(f"{folder} holds two runs; choose {folder / 'ce'} or {folder / 'obrl'}")
    path = checkpoint if checkpoint.is_file() else run.last_checkpoint
    if not path.is_file():
        raise RunError(f"the run in {folder} was stopped before its first checkpoint; there is nothing to evaluate")
    labels = read_json(run.labels)
    model = build_model(
        config.images.size, list(attribute_groups(labels["names"]).values()), config.net, seed=config.seed
    )
    module = AttributeModule(model, config, labels["names"], total_steps=1)
    content = read_checkpoint(path)
    module.load_state_dict(content["state_dict"])
    module.on_load_checkpoint(content)
    return Trained(run, config, module.eval(), labels)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.evaluate",
        description="Report on a model that was trained earlier.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="RUN", help="a run's folder, or a checkpoint inside it"
    )
    parser.add_argument("--data", choices=("synthetic", "celeba"), default="synthetic", help="kind of the data")
    parser.add_argument("--root", type=Path, help="folder of the data; celeba needs one")
    parser.add_argument("--split", choices=SPLITS, default="test", help="partition (default: test)")
    parser.add_argument("--out", type=Path, help="folder of the report (default: inside the run's folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
