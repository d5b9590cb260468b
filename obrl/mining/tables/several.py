"""Several files as one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from obrl.mining.blocks import ROWS_PER_BLOCK, Block
from obrl.mining.errors import TableError
from obrl.mining.tables.options import LabelTable


class SeveralTables:
    """Tables with the same labels, one after the other.

    Args:
        tables: at least one.

    Raises:
        TableError: a table with other labels than the first, which names both files and the first label that differs.
    """

    def __init__(self, tables: list[LabelTable]) -> None:
        first = tables[0]
        for table in tables[1:]:
            _check_same_labels(table, first)
        self._tables = tables
        self.files = tuple(file for table in tables for file in table.files)
        self.label_names, self.id_column, self.group_column = first.label_names, first.id_column, first.group_column
        rows = [table.rows for table in tables]
        self.rows = None if None in rows else sum(count for count in rows if count is not None)

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows of all tables in order; row numbers start anew in each file."""
        for number, table in enumerate(self._tables):
            for block in table.blocks(rows):
                read = None if block.read is None else (number + block.read) / len(self._tables)
                yield replace(block, read=read)

    def description(self) -> dict[str, Any]:
        """What each file's description says, by file."""
        return {"files": {table.files[0]: table.description() for table in self._tables}}


def _check_same_labels(table: LabelTable, first: LabelTable) -> None:
    if table.label_names == first.label_names:
        return
    here, there = table.label_names, first.label_names
    if len(here) != len(there):
        problem = f"the table has {len(here)} labels, and {first.files[0]} has {len(there)}"
    else:
        position = next(i for i in range(len(here)) if here[i] != there[i])
        problem = f"label {position + 1} is {here[position]!r}, and {there[position]!r} in {first.files[0]}"
    raise TableError(
        problem, file=table.files[0], remedy="give all files the same columns, or choose some with --labels"
    )
