"""A table of Parquet files in pieces: row groups that are mined apart, each known by what it is mined from and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from obrl._version import __version__
from obrl.mining.blocks import Block
from obrl.mining.cluster.segments import Cuts
from obrl.mining.tables.options import LabelTable, TableOptions
from obrl.mining.tables.paths import file_system

FORMAT_VERSION = 2
"""Of the files that pieces leave; results of another version are computed again."""
ROWS_PER_TASK = 2**18
"""Row groups with fewer rows are mined several at a time, since handing out a task takes some milliseconds."""


@runtime_checkable
class PieceTable(LabelTable, Protocol):
    """A table of one file whose row groups can be read apart.

    Attributes:
        row_groups: how many rows each has.
        place: where the file is, wherever the process that reads it runs.
    """

    row_groups: tuple[int, ...]
    place: str

    def piece(self, row_groups: range) -> Iterator[Block]:
        """The rows of consecutive row groups, in order."""

    @property
    def occurred(self) -> tuple[bool, ...]:
        """Which values occurred in the rows that were read last."""

    def gather(self, occurred: Iterable[Sequence[bool]]) -> None:
        """Take over which values occurred in each piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive row groups of one file.

    Attributes:
        table: the number of the file's table.
        start: the first row group, from 0.
        stop: the one after the last.
        rows: how many they have.
    """

    table: int
    start: int
    stop: int
    rows: int

    @property
    def words(self) -> str:
        """The row groups as a person counts them, from 1."""
        return (
            f"row group {self.stop}" if self.stop - self.start == 1 else f"row groups {self.start + 1} to {self.stop}"
        )


@dataclass(frozen=True, slots=True)
class Task:
    """Consecutive rows of the whole table that one worker mines at a time.

    Attributes:
        first_row: how many rows of the table come before.
        rows: how many it has.
        pieces: their row groups, in order.
        key: everything that its result depends on, as text.
    """

    first_row: int
    rows: int
    pieces: tuple[Piece, ...]
    key: str


def plan_tasks(tables: Sequence[PieceTable], options: TableOptions, cuts: Cuts) -> list[Task]:
    """Divide the row groups of tables among tasks, in order.

    Args:
        tables: one a file.
        options: that they were opened with.
        cuts: of the whole table.
    """
    states = [state_of_file(table.place) for table in tables]
    what = _digest(_settings(tables[0], options, cuts))
    tasks: list[Task] = []
    first_row = 0
    for pieces in _pieces_of_tasks(tables):
        rows = sum(piece.rows for piece in pieces)
        inputs = [(tables[p.table].place, states[p.table], p.start, p.stop, p.rows) for p in pieces]
        key = json.dumps({"settings": what, "first_row": first_row, "inputs": inputs})
        tasks.append(Task(first_row, rows, tuple(pieces), key))
        first_row += rows
    return tasks


def _pieces_of_tasks(tables: Sequence[PieceTable]) -> Iterator[list[Piece]]:
    """For each task the row groups, as many as make up its rows."""
    pieces: list[Piece] = []
    rows = 0
    for number, table in enumerate(tables):
        start = rows_here = 0
        for group, size in enumerate(table.row_groups):
            rows_here += size
            if rows + rows_here >= ROWS_PER_TASK:
                yield [*pieces, Piece(number, start, group + 1, rows_here)]
                pieces, rows, rows_here, start = [], 0, 0, group + 1
        if start < len(table.row_groups):
            pieces.append(Piece(number, start, len(table.row_groups), rows_here))
            rows += rows_here
    if pieces:
        yield pieces


def state_of_file(place: str) -> str:
    """What tells that a file has changed: its size and time, or what its server says of it."""
    if "://" in place:
        system, inside = file_system(place)
        return str(sorted((name, str(value)) for name, value in system.info(inside).items()))
    state = Path(place).stat()
    return f"{state.st_size} bytes, {state.st_mtime_ns} ns"


def _settings(table: LabelTable, options: TableOptions, cuts: Cuts) -> dict[str, Any]:
    """What the result of every piece depends on, beside its rows."""
    how = asdict(cuts)
    if cuts.settings is None:
        del how["batch_size"]
    groups = options.groups
    group_file = groups is not None and Path(groups).is_file()
    return {
        "version": (FORMAT_VERSION, __version__),
        "cuts": how,
        "labels": table.label_names,
        "groups": table.group_column,
        "group_file": state_of_file(str(Path(groups).absolute())) if groups is not None and group_file else None,
        "options": asdict(options),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
