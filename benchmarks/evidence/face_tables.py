"""Every table and figure of the evidence on faces, made again from the finished cells in the repository.

Each ``NAME.record.json`` in ``benchmarks/results/faces/records`` says which cells a table has; its files are written to
``benchmarks/results/faces/NAME``. Beside them ``cells.md`` says what the cells were computed with, and pages such as
``fusion.md`` have the columns that the documentation shows. It needs neither pictures nor torch. A table of which cells
are missing is not made, and named.

``--add RECORD --cells DIR`` first copies the record of a finished table and its cells there, but not which test
predictions were right: the record has the differences that are computed from that.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.evidence.face_cells import add_table
from benchmarks.evidence.face_pages import PAGES, Tables
from reference_model.pipeline.cells import read_cell
from reference_model.pipeline.tables.again import content_again, missing_cells
from reference_model.pipeline.tables.record import ENDING, Record, read_record
from reference_model.pipeline.tables.writing import write_table
from reference_model.runs import RunError, refuse, write_atomically

RESULTS = Path(__file__).resolve().parents[1] / "results"
CELLS = RESULTS / "cells"
FACES = RESULTS / "faces"
RECORDS = FACES / "records"
FACTS: Mapping[str, tuple[str, ...]] = {
    "seed": ("seed",),
    "processor": ("environment", "processor"),
    "cores": ("environment", "cores"),
    "threads": ("environment", "torch_threads"),
    "device": ("environment", "device"),
    "torch": ("environment", "versions", "torch"),
    "obrl": ("environment", "versions", "obrl"),
    "commit": ("environment", "commit"),
}
"""What is told of all cells together: its name, and where a cell's file has it."""


class Entry(NamedTuple):
    """A table.

    Attributes:
        name: of its folder.
        path: of its record.
        record: what that holds.
        missing: the keys of the finished cells whose files are not there.
    """

    name: str
    path: Path
    record: Record
    missing: list[str]

    def state(self) -> str:
        """How many cells are missing, in words."""
        return f"{len(self.missing)} of {len(self.record.finished())} cells are missing"


def main(arguments: list[str]) -> int:
    """Make every table of which no cell is missing, once another one is added if asked, and say which cannot be."""
    parser = argparse.ArgumentParser("python -m benchmarks.evidence face_tables", description=__doc__)
    parser.add_argument("--out", type=Path, default=FACES, help="where to (default: benchmarks/results/faces)")
    parser.add_argument("--add", type=Path, metavar="RECORD", help="copy the record of a table and its cells first")
    parser.add_argument("--cells", type=Path, metavar="DIR", help="where the finished cells of RECORD are")
    parser.add_argument("--name", help="the name of the table of RECORD (default: that of its file)")
    options = parser.parse_args(arguments)
    try:
        if options.add is not None and options.cells is not None:
            add_table(options.add, options.cells, RECORDS, CELLS, options.name)
        elif (options.add, options.cells, options.name) != (None, None, None):
            raise RunError("--add RECORD and --cells DIR belong together, and --name NAME to them; write both")
        make_faces(RECORDS, CELLS, options.out)
    except RunError as error:
        return refuse(error)
    return 0


def make_faces(records: Path, cells: Path, out: Path) -> None:
    """Make the tables of a folder of records.

    Args:
        records: Holds the records, ``NAME.record.json``.
        cells: Holds the finished cells, ``KEY.json``.
        out: Where the tables are written, each to a folder ``NAME``, and ``cells.md``.

    Raises:
        RunError: If a record or a cell cannot be used, or a table lacks what a page shows; nothing is written then.
    """
    entries = read_entries(records, cells)
    if not entries:
        print(f"There is no NAME{ENDING} in {records}, so nothing is made.")
        return
    for entry in entries:
        if entry.missing:
            print(f"{entry.name} is not made: {entry.state()}.")
    complete = [entry for entry in entries if not entry.missing]
    contents = {entry.name: content_again(entry.path, entry.record, cells) for entry in complete}
    with TemporaryDirectory() as folder:  # whatever fails, OUT stays as it is
        place = Path(folder)
        for entry in complete:
            write_table(place / entry.name, entry.record.table, contents[entry.name])
        for name, (needed, page) in PAGES.items():
            if contents.keys() >= set(needed):
                write_atomically(place / f"{name}.md", page(Tables(place)))
        write_atomically(place / "cells.md", describe_cells(entries, cells))
        shutil.copytree(place, out, dirs_exist_ok=True)
    for entry in complete:
        print(f"{entry.name} is made of {len(entry.record.finished())} cells.")
    print(f"Written: {len(complete)} of {len(entries)} tables and cells.md, in {out}")


def read_entries(records: Path, cells: Path) -> list[Entry]:
    """Read the records of a folder, in the order of their names.

    Raises:
        RunError: If one cannot be used.
    """
    entries = []
    for path in sorted(records.glob(f"*{ENDING}")):
        record = read_record(path)
        entries.append(Entry(path.name.removesuffix(ENDING), path, record, missing_cells(record, cells)))
    return entries


def describe_cells(entries: Sequence[Entry], folder: Path) -> str:
    """Return, as Markdown, how many cells each table has, and what all of them were computed with."""
    keys = dict.fromkeys(key for entry in entries for key in entry.record.finished())
    contents = [content for key in keys if (content := read_cell(folder, key)) is not None]
    missing = [f"- `{entry.name}` is not made: {entry.state()}." for entry in entries if entry.missing]
    tables = ["| table | of the kind | cells | missing | diverged |", "|---|---|---:|---:|---:|"]
    for name, _, record, absent in entries:
        counts = (len(set(record.cells)), len(absent), len(record.diverged))
        tables.append(f"| {name} | {record.table} | {' | '.join(map(str, counts))} |")
    hours = sum(float(content["seconds"]) for content in contents) / 3600
    facts = ["| of all cells | |", "|---|---|", f"| cells | {len(contents)} |", f"| hours of training | {hours:.1f} |"]
    for name, place in FACTS.items():
        facts.append(f"| {name} | {_counted(_fact(content, place) for content in contents)} |")
    blocks = [
        "# The cells of the tables of faces",
        "Made by `python -m benchmarks.evidence face_tables` from the files in `benchmarks/results/cells`.",
        *(["\n".join(missing)] if missing else []),
        "\n".join(tables),
        "Below, a cell that several tables share counts once, and numbers in brackets are cells.",
        "\n".join(facts),
    ]
    return "\n\n".join(blocks) + "\n"


def _fact(content: Mapping[str, Any], place: Iterable[str]) -> str:
    value: Any = content
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, str | int) else "not known"  # null is read as NaN


def _counted(values: Iterable[str]) -> str:
    counts = Counter(values)
    return ", ".join(f"{value} ({count})" for value, count in sorted(counts.items()))
