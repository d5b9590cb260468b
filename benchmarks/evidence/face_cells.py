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
        RunError: If the table cannot be made of these cells, or a cell is published with other figures; nothing is
            written then.
    """
    name = path.name.removesuffix(ENDING) if name is None else name
    if not re.fullmatch(r"[\w-]+", name):
        raise RunError(f"{name!r} is no name of a table; give one of letters, digits, - and _ with --name")
    record = read_record(path)
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
    """
    report = {name: value for name, value in without_folders(content["report"]).items() if name != "groups"}
    if isinstance(report.get("implausible"), Mapping):
        report["implausible"] = {name: value for name, value in report["implausible"].items() if name != "pairs"}
    return {name: value for name, value in content.items() if name != "right"} | {"report": report}


def _changed(content: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = sorted({*content, *other}.difference(OF_A_TRAINING))
    return [name for name in names if content.get(name) != other.get(name)]
