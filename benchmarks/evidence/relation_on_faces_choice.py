"""Which net of table2 is the best, by its accuracy on the validation part alone, and where its runs are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reference_model.pipeline.cells import Cell, treatment_of
from reference_model.pipeline.tables.again import content_again
from reference_model.pipeline.tables.record import read_record
from reference_model.pipeline.tables.statistics import mean_and_spread
from reference_model.runs import RunError, RunFolder, read_figures

KIND = "table2"
ANEW = f"train the cell anew with the command of its table: python -m reference_model.tables {KIND} ... --cells FOLDER"


@dataclass(frozen=True)
class Candidate:
    """Cells of table2 that differ in nothing but the seed.

    Args:
        fusion: The nets, such as ``net_1+net_2``.
        loss: Such as ``obrl``.
        treatment: Whether the face-level nets were frozen or tuned.
        keys: The cells' keys by seed.
        accuracies: Accuracy on the validation part in per cent, by seed.
        eligible: Whether it has all the seeds that a net of its data set has.
    """

    fusion: str
    loss: str
    treatment: str
    keys: Mapping[int, str]
    accuracies: Mapping[int, float]
    eligible: bool = True

    @property
    def mean(self) -> float:
        """The mean accuracy over the seeds."""
        return mean_and_spread(list(self.accuracies.values()))[0]

    def as_plain(self) -> dict[str, Any]:
        """What the results say of it."""
        return {
            "fusion": self.fusion,
            "loss": self.loss,
            "treatment": self.treatment,
            "seeds": sorted(self.keys),
            "eligible": self.eligible,
            "valid_accuracy": self.mean,
            "spread": mean_and_spread(list(self.accuracies.values()))[1],
        }


def candidates(records: Sequence[Path], cells: Path) -> dict[str, list[Candidate]]:
    """The nets of tables by data set, the best on the validation part first; those that are not eligible come last.

    Eligible are nets with all the seeds that a net of their data set has. What a cell is, its table's record says: its
    file has the columns of the table that trained it first.

    Args:
        records: The records of tables of the kind table2.
        cells: Folder with a file ``KEY.json`` for each of their finished cells.

    Raises:
        RunError: If a record is of another kind or does not fit its cells, a cell does not say what it reached on the
            validation part, or no net of a data set has all the seeds.
    """
    groups: dict[str, dict[str, tuple[Cell, Mapping[str, Any]]]] = {}
    for path in records:
        record = read_record(path)
        if record.table != KIND:
            raise RunError(f"expected the record of a {KIND}, got that of a table {record.table}: {path}")
        content_again(path, record, cells)  # which refuses a record that lacks a cell or does not fit one
        table, options = record.request()
        for key, cell in zip(record.cells, table.cells(options), strict=True):
            if key in record.diverged:
                continue
            content = read_figures(cells / f"{key}.json")
            settings = {name: value for name, value in content["settings"].items() if name != "seed"}
            same = [settings, content["files"], content["sources"], content["data"]["fingerprint"]]
            groups.setdefault(json.dumps(same, sort_keys=True), {})[key] = cell, content
    result: dict[str, list[Candidate]] = {}
    for members in groups.values():
        data = next(iter(members.values()))[0].columns["data"]
        result.setdefault(data, []).append(_candidate(members, cells))
    return {data: _in_order(data, nets) for data, nets in result.items()}


def _candidate(members: Mapping[str, tuple[Cell, Mapping[str, Any]]], cells: Path) -> Candidate:
    keys, accuracies = {}, {}
    for key, (_, content) in members.items():
        accuracy = content.get("valid", {}).get("accuracy", np.nan)
        if np.isnan(accuracy):
            raise RunError(
                f"{cells / key}.json does not say its accuracy on the validation part; delete that file and {ANEW}"
            )
        keys[content["seed"]], accuracies[content["seed"]] = key, 100 * accuracy
    cell, _ = next(iter(members.values()))
    treatment = treatment_of(cell.config.net)
    return Candidate(cell.columns["fusion"], cell.columns["loss"], treatment, keys, accuracies)


def _in_order(data: str, nets: Sequence[Candidate]) -> list[Candidate]:
    """The nets of a data set, marked with whether they are eligible."""
    seeds = {seed for net in nets for seed in net.keys}
    marked = [replace(net, eligible=net.keys.keys() == seeds) for net in nets]
    if not any(net.eligible for net in marked):
        raise RunError(
            f"no net on {data} has all of the seeds {', '.join(map(str, sorted(seeds)))}; give --choose records of "
            "tables with the same seeds"
        )
    return sorted(marked, key=lambda net: (not net.eligible, -net.mean))


def folders_of(net: Candidate, tables: Sequence[Path], cells: Path) -> list[Path]:
    """The run folders of a net's cells, in the order of the seeds.

    Args:
        net: The net.
        tables: Folders of tables, each with its runs in ``cells/KEY``.
        cells: Folder of the finished cells' files, for messages.

    Raises:
        RunError: If a finished run is in none of them; the message names every key that is missing.
    """
    places: list[Path] = []
    missing = []
    for seed, key in sorted(net.keys.items()):
        finished = [path for table in tables if RunFolder(path := table / "cells" / key).report.is_file()]
        places += finished[:1]
        missing += [] if finished else [(key, seed)]
    if missing:
        files = ", ".join(f"{cells / key}.json" for key, _ in missing)
        raise RunError(
            f"the runs of {net.fusion}, {net.loss}, {net.treatment}, the best on the validation part, are not all in "
            f"cells/ of {', '.join(map(str, tables))}: {', '.join(f'{key} (seed {seed})' for key, seed in missing)} is "
            f"missing; name the folder of the table that trained it with --runs, or delete {files} and {ANEW}"
        )
    return places
