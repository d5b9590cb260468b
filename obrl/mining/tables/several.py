"""Several files as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from obrl.mining.blocks import ROWS_PER_BLOCK, Block
from obrl.mining.errors import TableError
from obrl.mining.tables.options import LabelTable


@runtime_checkable
class ListedTable(Protocol):
    """A table whose rows list their labels: one that no row of it has is absent in all of them."""

    label_names: tuple[str, ...]
    unseen_labels: tuple[str, ...]

    def number_labels(self, names: Sequence[str]) -> None:
        """Number the labels by their position in `names`, which hold all of the table's."""


class SeveralTables:
    """Tables with the same labels, one after the other.

    Args:
        tables: at least one.

    Attributes:
        tables: each file's.

    Raises:
        TableError: a table with other labels, ids or groups than the first, which names both files and what differs.
    """

    def __init__(self, tables: Sequence[LabelTable]) -> None:
        first = tables[0]
        for table in tables[1:]:
            check_same_columns(table, first)
        self.tables = tables
        self.files = tuple(file for table in tables for file in table.files)
        self.label_names, self.id_column, self.group_column = first.label_names, first.id_column, first.group_column
        rows = [table.rows for table in tables]
        self.rows = None if None in rows else sum(count for count in rows if count is not None)

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows of all tables in order; row numbers start anew in each file.

        Raises:
            TableError: as each table does, and for -1 in one file and 0 in another, where nobody said what -1 means.
        """
        values: dict[int, str] = {}
        rows_before = 0
        for number, table in enumerate(self.tables):
            for block in table.blocks(rows):
                yield replace(block, read=self._share_of_files(block, number, rows_before))
            rows_before += table.rows or 0
            check_minus(table, values)

    def _share_of_files(self, block: Block, number: int, rows_before: int) -> float | None:
        if self.rows:
            return (rows_before + block.first_row - 1 + block.rows) / self.rows
        return None if block.read is None else (number + block.read) / len(self.tables)

    def description(self) -> dict[str, Any]:
        """What each file's description says, by file."""
        return {"files": {table.files[0]: table.description() for table in self.tables}}


def check_seen(tables: Sequence[LabelTable]) -> None:
    """Raise TableError for a label that the user named and no file of lists has."""
    unseen = [set(table.unseen_labels) if isinstance(table, ListedTable) else set[str]() for table in tables]
    if nowhere := set.intersection(*unseen):
        raise TableError(
            "no row has this label",
            file=tables[0].files[0],
            value=min(nowhere),
            remedy="check --labels and --drop",
        )


def join_lists(tables: Sequence[LabelTable]) -> None:
    """Give tables whose rows list their labels the labels of all of them, in the order of first occurrence."""
    if all(isinstance(table, ListedTable) for table in tables):
        union = dict.fromkeys(name for table in tables for name in table.label_names)
        for table in tables:
            if isinstance(table, ListedTable):
                table.number_labels(tuple(union))


def check_same_columns(table: LabelTable, first: LabelTable) -> None:
    """Raise TableError for a table with other labels, ids or groups than the first."""
    here, there = set(table.label_names), set(first.label_names)
    file, other = table.files[0], first.files[0]
    remedy = "give all files the same columns, or choose some with --labels"
    for name in first.label_names:
        if name not in here:
            raise TableError(f"the label is missing, which {other} has", file=file, column=name, remedy=remedy)
    for name in table.label_names:
        if name not in there:
            raise TableError(f"the label is not in {other}", file=file, column=name, remedy=remedy)
    if table.label_names != first.label_names:
        raise TableError(f"the labels stand in another order than in {other}", file=file, remedy=remedy)
    for role, mine, its in (
        ("--id", table.id_column, first.id_column),
        ("--groups", table.group_column, first.group_column),
    ):
        if mine != its:
            raise TableError(
                f"the rows' column of {role} is {mine!r}, and {its!r} in {other}",
                file=file,
                remedy=f"name it with {role}",
            )


def check_minus(table: LabelTable, values: dict[int, str]) -> None:
    """Raise TableError where one file holds -1 and another 0, and -1 was read as absent.

    Args:
        table: one that has been read.
        values: the file in which each value occurred first, among the tables before; this one's are added.
    """
    coding = table.description().get("coding", {})
    for value in coding.get("values", ()):
        values.setdefault(value, table.files[0])
    if coding.get("minus_one", "absent") == "absent" and {-1, 0} <= set(values):
        raise TableError(
            f"the table holds 0, 1 and -1, and -1 may mean uncertain (0 in {values[0]}, -1 in {values[-1]})",
            file=table.files[0],
            remedy="say what -1 means with --values u-ignore (missing), u-zeros (absent) or u-ones (present)",
        )
