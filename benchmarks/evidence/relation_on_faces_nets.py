"""What nets of finished runs say of the test part's faces, beside its labels and the people on its pictures."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from obrl.mining.metrics import Flags, FloatArray
from reference_model.config import RunConfig
from reference_model.evaluating import Answers, answers_of
from reference_model.pipeline.cells import input_files, settings_of_key
from reference_model.pipeline.state import weights_digest
from reference_model.reports.right import Unit, judge
from reference_model.runs import RunError, find_run
from reference_model.settings.files import load_config


@dataclass(frozen=True, eq=False)
class Part:
    """A partition of N pictures with M labels.

    Args:
        p: (N, M), the net's probabilities.
        y: (N, M), the labels, 0 or 1; 0 where missing.
        known: (N, M), which labels there are.
        units: (N,), the number of the person on each picture, or the picture's own.
        unit: What ``units`` numbers.
        pictures: A digest of the pictures' names.
    """

    p: FloatArray
    y: FloatArray
    known: Flags
    units: NDArray[np.int64]
    unit: Unit
    pictures: str


@dataclass(frozen=True, eq=False)
class Net:
    """A net of one seed.

    Args:
        seed: The run's.
        train: (N, M), the labels of the training part, NaN where missing.
        valid: The validation part.
        test: The test part.
    """

    seed: int
    train: FloatArray
    valid: Part
    test: Part


def group_runs(folders: Sequence[Path]) -> dict[str, dict[Path, RunConfig]]:
    """The settings of runs by data set and folder, in the order of the seeds.

    Raises:
        RunError: If a folder holds no finished run of the stage attributes, or runs on the same data set differ in
            more than the seed.
    """
    groups: dict[str, dict[Path, RunConfig]] = {}
    for folder in folders:
        run = find_run(folder)
        config = load_config(run.config)
        if config.stage != "attributes":
            raise RunError(f"expected runs of the stage attributes, got one of {config.stage}: {folder}")
        if not run.report.is_file():
            raise RunError(f"the run in {folder} is not finished; go on with it: --resume {folder}")
        groups.setdefault(config.data, {})[folder] = config
    for data, configs in groups.items():
        _check_same(data, list(configs.values()))
        groups[data] = dict(sorted(configs.items(), key=lambda item: item[1].seed))
    return groups


def _check_same(data: str, configs: Sequence[RunConfig]) -> None:
    first, *others = [settings_of_key(config) | _starts(config) for config in configs]
    for other in others:
        different = {name for name in first.keys() | other.keys() if first.get(name) != other.get(name)} - {"seed"}
        if different:
            raise RunError(
                f"runs on {data} may differ in the seed only, these also differ in {', '.join(sorted(different))}; "
                "measure them one after another"
            )
    seeds = [config.seed for config in configs]
    if len(set(seeds)) < len(seeds):
        raise RunError(f"expected runs on {data} of different seeds, got the seeds {', '.join(map(str, seeds))}")


def _starts(config: RunConfig) -> dict[str, str]:
    """The digest of each file that a run started from, by setting; the path of one that is gone."""
    return {name: weights_digest(path) if path.is_file() else str(path) for name, path in input_files(config).items()}


def read_net(folder: Path, *, root: Path | None) -> Net:
    """The labels of a run's data, and what its net says of the validation and the test part.

    Args:
        folder: The run's folder.
        root: Folder of the data; None for the run's.

    Raises:
        RunError, ValueError: If the run or the data cannot be read.
    """
    answers = answers_of(folder, root=root, partitions=("valid", "test"))
    evaluation = answers.evaluation
    train = evaluation.targets.values[evaluation.catalogue.split == "train"].astype(np.float64)
    return Net(answers.trained.config.seed, train, _part(answers, "valid"), _part(answers, "test"))


def _part(answers: Answers, partition: str) -> Part:
    collected, rows = answers.evaluation.collected[partition], answers.evaluation.catalogue.subset(partition)
    logits, targets = (collected[name].double() for name in ("logits", "targets"))
    judged = judge(
        logits.numpy(),
        targets.numpy(),
        names=answers.evaluation.targets.names,
        pictures=[rows.pictures.name(row) for row in range(len(rows))],
        people=rows.person,
    )
    y = np.where(judged.known, targets.numpy(), 0.0)
    return Part(logits.sigmoid().numpy(), y, judged.known, judged.units, judged.unit, judged.pictures)


def read_nets(configs: Mapping[Path, RunConfig], *, root: Path | None) -> list[Net]:
    """The nets of some runs, which were tested on the same pictures.

    Raises:
        RunError, ValueError: As `read_net`, or if the pictures are not the same.
    """
    nets = [read_net(folder, root=root) for folder in configs]
    if len({net.test.pictures for net in nets}) > 1:
        raise RunError(f"the pictures of the test part are not the same for all of {', '.join(map(str, configs))}")
    return nets
