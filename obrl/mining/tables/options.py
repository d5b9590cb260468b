"""How a user says what the columns and values of a table mean, and what a reader offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from obrl.mining.blocks import ROWS_PER_BLOCK, Block

VALUES = ("auto", "u-ignore", "u-zeros", "u-ones")
EMPTY = ("missing", "absent")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableOptions:
    """What the command line says of its tables.

    Attributes:
        labels: the columns that are labels, in this order; None for all that nothing else claims.
        drop: columns to leave out, also of `labels`.
        id: the column that names a row; None for the first column where its values are no labels.
        groups: a column, or a file of two columns (a row's id and its group), that says which rows belong together.
        keep: further columns to hand on as they stand.
        values: what -1 means where 0 and 1 occur too: `"auto"` refuses it; `"u-ignore"`, `"u-zeros"` and `"u-ones"`
            read it as missing, absent and present.
        empty: whether an empty cell is `"missing"` or `"absent"`.
        list_column: the column that lists a row's labels, `a|b|c` or a list.
        none: the word in a list that means no label, such as `No Finding`.
        format: the format's name, in place of what the file itself says.
    """

    labels: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    id: str | None = None
    groups: str | None = None
    keep: tuple[str, ...] = ()
    values: str = "auto"
    empty: str = "missing"
    list_column: str | None = None
    none: str | None = None
    format: str | None = None


class LabelTable(Protocol):
    """One or more files with the same labels, read from the first to the last row in constant memory.

    Attributes:
        files: as the user named them.
        label_names: distinct, in the order of the blocks' labels.
        rows: how many rows in all, where the format says so before reading; else None.
        id_column: the name of the column of ids in `Block.columns`, or None.
        group_column: the name of the groups' entry in `Block.columns`, or None.
    """

    files: tuple[str, ...]
    label_names: tuple[str, ...]
    rows: int | None
    id_column: str | None
    group_column: str | None

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time (the last block of a file may be shorter); may be called again.

        Raises:
            TableError: a row that is no row of labels.
        """

    def description(self) -> dict[str, Any]:
        """The format, the coding and what was decided while reading, for run.json; complete once `blocks` has ended."""
