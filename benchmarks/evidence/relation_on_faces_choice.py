"""Which net of table2 is the best, by its accuracy on the validation part alone, and where its runs are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reference_model.config import NetConfig
from reference_model.pipeline.cells import read_cell, treatment_of
from reference_model.pipeline.tables.statistics import mean_and_spread
from reference_model.runs import RunError, RunFolder

COLUMNS = frozenset({"data", "fusion", "loss", "seed"})
"""The columns of a cell of table2."""


@dataclass(frozen=True)
class Candidate:
    """Cells of table2 that differ in nothing but the seed.

    Args:
        fusion: The nets, such as ``net_1+net_2``.
        loss: Such as ``obrl``.
        treatment: Whether the face-level nets were frozen or tuned.
        keys: The cells' keys by seed.
        accuracies: Accuracy on the validation part in per cent, by seed.
    """

    fusion: str
    loss: str
    treatment: str
    keys: Mapping[int, str]
    accuracies: Mapping[int, float]

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
            "valid_accuracy": self.mean,
            "spread": mean_and_spread(list(self.accuracies.values()))[1],
        }


def candidates(cells: Path) -> dict[str, list[Candidate]]:
    """The nets of table2 by data set, the best on the validation part first; those with fewer seeds come last.

    A cell that another table trained first has that table's columns, so cells are put together by their settings.

    Args:
        cells: Folder with a file ``KEY.json`` for each finished cell.

    Raises:
        RunError: If there is no cell of table2, or one does not say what it reached on the validation part.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(cells.glob("*.json")):
        content = read_cell(cells, path.stem)
        if content is not None and content["stage"] == "attributes":
            settings = {name: value for name, value in content["settings"].items() if name != "seed"}
            same = [settings, content["files"], content["sources"], content["data"]["fingerprint"]]
            groups.setdefault(json.dumps(same, sort_keys=True), []).append(content)
    result: dict[str, list[Candidate]] = {}
    for members in groups.values():
        named = [content["columns"] for content in members if content["columns"].keys() == COLUMNS]
        if named:
            result.setdefault(named[0]["data"], []).append(_candidate(members, named[0]))
    if not result:
        raise RunError(
            f"{cells} holds no finished cell of table2; fill it with: python -m reference_model.tables table2"
        )
    for nets in result.values():
        nets.sort(key=lambda net: (-len(net.keys), -net.mean))
    return result


def _candidate(members: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Candidate:
    keys, accuracies = {}, {}
    for content in members:
        accuracy = content.get("valid", {}).get("accuracy", np.nan)
        if np.isnan(accuracy):
            raise RunError(
                f"the finished cell {content['key']} does not say its accuracy on the validation part; train it anew"
            )
        keys[content["seed"]], accuracies[content["seed"]] = content["key"], 100 * accuracy
    frozen = tuple(members[0]["settings"].get("net.frozen", ()))
    net = NetConfig(nets=tuple(columns["fusion"].split("+")), frozen=frozen)
    return Candidate(columns["fusion"], columns["loss"], treatment_of(net), keys, accuracies)


def folders_of(net: Candidate, tables: Sequence[Path]) -> list[Path]:
    """The run folders of a net's cells, in the order of the seeds.

    Args:
        net: The net.
        tables: Folders of tables, each with its runs in ``cells/KEY``.

    Raises:
        RunError: If a finished run is in none of them; the message names every key that is missing.
    """
    places: list[Path] = []
    missing = []
    for seed, key in sorted(net.keys.items()):
        finished = [path for table in tables if RunFolder(path := table / "cells" / key).report.is_file()]
        places += finished[:1]
        missing += [] if finished else [f"{key} (seed {seed})"]
    if missing:
        raise RunError(
            f"the runs of {net.fusion}, {net.loss}, {net.treatment}, the best on the validation part, are not all in "
            f"cells/ of {', '.join(map(str, tables))}: {', '.join(missing)} is missing; name its table's folder, or "
            "train it again without its file of a finished cell"
        )
    return places
