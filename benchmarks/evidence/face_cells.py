"""A finished table comes into the repository: its record, and its cells without what tells of single pictures.

A finished cell says which test predictions were right. Where a net never predicts an attribute, that is the label of
each test picture, and labels of people do not belong in a repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reference_model.pipeline.cells import without_folders
from reference_model.pipeline.tables.again import content_again
from reference_model.pipeline.tables.record import ENDING, read_record, write_record
from reference_model.pipeline.tables.stored import DifferenceStore
from reference_model.runs import RunError, read_json, write_json

OF_A_TRAINING = ("columns", "seconds", "sittings", "ms_per_step", "environment")
"""What may differ between two files of the same cell: the table that trained it, time and machine."""

TIMES = ("mining_seconds", "epoch_seconds")
"""What a report says of a relation and may differ too."""

PUBLISHED = frozenset(
    {
        *("format", "key", "columns", "stage", "seed", "preset", "settings", "data", "files", "sources", "origins"),
        *("seconds", "sittings", "parameters", "trained_parameters", "ms_per_step", "environment", "valid", "report"),
    }
)
"""What is published of a cell's file."""
LEFT_OUT = frozenset({"right"})
"""What tells of single pictures."""

PUBLISHED_OF_REPORTS = frozenset(
    {
        *("stage", "data", "split", "loss", "preset", "seed", "notes", "unusable_pictures", "main", "samples"),
        *("format_version", "cross_entropy", "majority_of", "unusable_predictions", "attributes", "implausible"),
        *("mean_accuracy", "mean_balanced_accuracy", "mean_f1", "mean_average_precision", "mean_majority_accuracy"),
        *("relation", "partition", "uniform_loss", "recognition", "verification", "center_loss"),
    }
)
LEFT_OUT_OF_REPORTS = frozenset({"groups"})
"""What no table reads and what is large."""

SHOWN = 3
_DEPTH = 3  # a line for each attribute of a report


def add_table(path: Path, folder: Path, records: Path, cells: Path, name: str | None = None) -> None:
    """Copy the record of a table, with the differences of its rows, and its finished cells.

    Args:
        path: The record.
        folder: Where its finished cells are, ``KEY.json``.
        records: Where records are published.
        cells: Where cells are published. One that is there with the same figures stays as it is.
        name: The table's name among the published ones; None for that of the record's file.

    Raises:
        RunError: If the table cannot be made of these cells, a cell is published with other figures or holds what is
            not known, or the name is that of a table of other cells; nothing is written then.
    """
    name = path.name.removesuffix(ENDING) if name is None else name
    if not re.fullmatch(r"[\w-]+", name):
        raise RunError(f"{name!r} is no name of a table; give one of letters, digits, - and _ with --name")
    record = read_record(path)
    there = records / f"{name}{ENDING}"
    if there.exists() and read_record(there).cells != record.cells:
        raise RunError(f"{there} names other cells than {path}; choose another --name, or delete {there} first")
    store = DifferenceStore(record.differences)
    content_again(path, record, folder, store)
    added: dict[Path, dict[str, Any]] = {}
    others = []
    for key in record.finished():
        content, place = published(read_json(folder / f"{key}.json")), cells / f"{key}.json"
        if not place.exists():
            added[place] = content
        elif changed := _changed(content, read_json(place)):
            others.append(f"{place.name} ({', '.join(changed)})")
    if others:
        more = " ..." if len(others) > SHOWN else ""
        raise RunError(
            f"{len(others)} cells of {path} are in {cells} with other figures: {', '.join(others[:SHOWN])}{more}; "
            "give the folder that those are from, or delete them and add every table of theirs again"
        )
    for place, content in added.items():
        write_json(place, content, depth=_DEPTH)
    write_record(records, replace(record, differences=store.used()), name)
    print(f"{name} is added with {len(added)} new cells of {len(record.finished())}.")


def published(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is published of a cell's file.

    Beside what tells of single pictures, it leaves out what no table reads and what is large: the means over groups of
    attributes, and the list of implausible pairs, which is the same for all cells of a data set.

    Raises:
        RunError: If the file holds what is not known, which could tell of single pictures.
    """
    unknown = [name for name in content if name not in PUBLISHED | LEFT_OUT]
    known = PUBLISHED_OF_REPORTS | LEFT_OUT_OF_REPORTS
    unknown += [f"report.{name}" for name in content["report"] if name not in known]
    if unknown:
        raise RunError(
            f"the cell {content['key']} also holds {', '.join(unknown)}; say in benchmarks/evidence/face_cells.py "
            "whether that is published: nothing of single pictures may be"
        )
    report = {name: value for name, value in without_folders(content["report"]).items() if name in PUBLISHED_OF_REPORTS}
    if isinstance(report.get("implausible"), Mapping):
        report["implausible"] = {name: value for name, value in report["implausible"].items() if name != "pairs"}
    return {name: value for name, value in content.items() if name in PUBLISHED} | {"report": report}


def _changed(content: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    content, other = _without_times(content), _without_times(other)
    return [name for name in sorted({*content, *other}) if content.get(name) != other.get(name)]


def _without_times(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell's file without what another training of it says differently."""
    result = {name: value for name, value in content.items() if name not in OF_A_TRAINING}
    report = result["report"]
    if isinstance(report.get("relation"), Mapping):
        relation = {name: value for name, value in report["relation"].items() if name not in TIMES}
        result["report"] = report | {"relation": relation}
    return result
