"""``python -m reference_model.tables again``: a table once more, from its record and its finished cells alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_model.pipeline.cells import Cell, CellResult, NoRightError, read_cell, settings_of_key
from reference_model.pipeline.tables.command import take_apart
from reference_model.pipeline.tables.finished import finished_content, name_of
from reference_model.pipeline.tables.record import Record, read_record
from reference_model.pipeline.tables.stored import DifferenceStore
from reference_model.pipeline.tables.table import TableContent
from reference_model.pipeline.tables.writing import finish_table
from reference_model.runs import RunError, with_nan
from reference_model.settings.plain import SettingsError

AGAIN = "again"
SHOWN = 3


@dataclass(frozen=True)
class AgainRequest:
    """What a command line asks for.

    Args:
        record: The file of the table's record.
        cells: The folder of finished cells.
        out: The folder of the table.
    """

    record: Path
    cells: Path
    out: Path


def parse_again(arguments: Sequence[str]) -> AgainRequest:
    """Parse what follows ``again``.

    Raises:
        SettingsError: If something is missing or unknown.
    """
    usage = "again RECORD --cells DIR --out DIR"
    if not arguments or arguments[0].startswith("--"):
        raise SettingsError(f"name the record of a table, such as tables/table2/table2.record.json: {usage}")
    words, dry_run = take_apart(arguments[1:])
    for name in [*words, *(["dry-run"] if dry_run else [])]:
        if name not in ("cells", "out"):
            raise SettingsError(f"--{name} cannot be used: the record has the settings of the table; write {usage}")
    for name in ("cells", "out"):
        if not words.get(name):
            raise SettingsError(f"--{name} is missing; write {usage}")
    return AgainRequest(Path(arguments[0]), Path(words["cells"]), Path(words["out"]))


def make_again(request: AgainRequest) -> int:
    """Make a table again and write its files.

    Returns:
        The exit status, 0.

    Raises:
        RunError: If the record or a cell cannot be used, or cells are missing; nothing is written then.
    """
    record = read_record(request.record)
    content = content_again(request.record, record, request.cells)
    if request.out.exists() and not request.out.is_dir():
        raise RunError(f"--out {request.out} exists and is not a folder")
    finish_table(request.out, record.table, content)
    return 0


def missing_cells(record: Record, folder: Path) -> list[str]:
    """Return the keys of the finished cells of a table whose files are not in a folder."""
    return [key for key in record.finished() if not (folder / f"{key}.json").is_file()]


def content_again(path: Path, record: Record, folder: Path, store: DifferenceStore | None = None) -> TableContent:
    """Return what a table says, from its record and its finished cells.

    Args:
        path: The record's file, for messages.
        record: What it holds.
        folder: The folder of finished cells, ``KEY.json``.
        store: Where the rows look up differences; None for one that starts with those of the record.

    Raises:
        RunError: If cells are missing, the record fits neither this version nor the cells, or it lacks a difference
            that cannot be computed from the cells.
    """
    missing = missing_cells(record, folder)
    if missing:
        first = ", ".join(f"{key}.json" for key in missing[:SHOWN])
        more = " ..." if len(missing) > SHOWN else ""
        total = len(record.finished())
        raise RunError(f"{len(missing)} of {total} cells of {path} are missing in {folder}: {first}{more}")
    try:
        table, options = record.request()
        cells = table.cells(options)
    except (SettingsError, KeyError) as error:
        raise RunError(f"{path} does not fit this version: {error}") from None
    if len(cells) != len(record.cells):
        raise RunError(
            f"{path} does not fit this version: it names {len(record.cells)} cells, and {table.name} with its options "
            f"has {len(cells)}"
        )
    keys = {id(cell): key for cell, key in zip(cells, record.cells, strict=True)}
    results = [_result(path, cell, keys, folder) for cell in cells if keys[id(cell)] not in record.diverged]
    diverged = {keys[id(cell)]: cell for cell in cells if keys[id(cell)] in record.diverged}
    store = store or DifferenceStore(record.differences)
    try:
        return finished_content(table, options, results, [*diverged.values()], store)
    except NoRightError as error:
        raise RunError(f"{path} lacks a difference of its table, and {error}") from None


def _result(path: Path, cell: Cell, keys: Mapping[int, str], folder: Path) -> CellResult:
    """Return the result of a cell, whose file must have been written for the same settings and sources.

    Its columns are not compared: a cell that several tables share has those of the table that trained it.
    """
    key = keys[id(cell)]
    content = read_cell(folder, key)
    assert content is not None, "missing cells are refused before"
    here, there = _with_nan(settings_of_key(cell.config)), content.get("settings", {})
    wrong = [name for name in sorted({*here, *there}) if _text(here.get(name)) != _text(there.get(name))]
    if content.get("sources") != {name: keys.get(id(source)) for name, source in cell.sources.items()}:
        wrong.append("the cells that it starts from")
    if wrong:
        raise RunError(
            f"{path} does not fit the cells: {key}.json is not {name_of(cell)}, which differs in {', '.join(wrong)}"
        )
    return CellResult(cell, key, content)


def _with_nan(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as `read_cell` has them."""
    read: dict[str, Any] = with_nan(settings)
    return read


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # text, for NaN is not equal to itself
