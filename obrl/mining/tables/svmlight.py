"""svmlight's format with several labels a row: `1,3,7 12:0.5 ...`; features are passed over."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from obrl.mining.blocks import ROWS_PER_BLOCK, Block
from obrl.mining.errors import EmptyTable, MiningWarning, TableError
from obrl.mining.tables.listed import ListedLabels
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import check_enough
from obrl.mining.tables.text import first_lines, numbered_lines

FEATURE = re.compile(r"^(qid|\d+):\S+$")
LABELS = re.compile(r"^-?\d+(,-?\d+)*$")


def looks_like_svmlight(lines: list[str]) -> bool:
    """Whether the first rows are labels and features, of which at least one row has a feature."""
    rows = [_without_comment(line) for line in lines[:20]]
    fields = [row.split() for row in rows if row.strip()]
    return bool(fields) and all(_is_row(row) for row in fields) and any(":" in row[-1] for row in fields)


def _is_row(fields: list[str]) -> bool:
    first = fields[0]
    return bool(LABELS.match(first) or FEATURE.match(first)) and all(FEATURE.match(field) for field in fields[1:])


def _without_comment(line: str) -> str:
    return line.partition("#")[0]


class SvmlightTable:
    """One file; it is read twice, first for the numbers of the labels, which become their names."""

    def __init__(self, path: str, options: TableOptions) -> None:
        self.files: tuple[str, ...] = (path,)
        self._path = path
        first_lines(path)  # refuses what is no text
        self.rows: int | None = 0
        twice = False
        words = ListedLabels(options.none)
        for labels in self._lists():
            self.rows += 1
            words.collect([labels])
            twice = twice or len(set(labels)) < len(labels)
        if not self.rows:
            raise EmptyTable("the table has no rows", file=path)
        self.unseen_labels = words.choose(options.labels, options.drop)
        check_enough(words.names, path)
        if twice:
            warnings.warn(f"{path}: rows list a label twice; it counts once", MiningWarning, stacklevel=2)
        self._listed = words
        self.label_names: tuple[str, ...] = words.names
        self.id_column: str | None = None
        self.group_column: str | None = None
        by = options.keep[0] if options.keep else None
        for flag, value in (("--id", options.id), ("--groups", options.groups), ("--by", by)):
            if value is not None:
                raise TableError(f"svmlight's rows have no names, so {flag} cannot be used", file=path, value=value)

    def _lists(self) -> Iterator[list[str]]:
        row = 0
        for number, line in numbered_lines(self._path):
            content = _without_comment(line)
            if content.strip():
                row += 1
                yield self._labels_of(content, row, number)

    def _labels_of(self, content: str, row: int, line: int) -> list[str]:
        fields = content.split()
        if not _is_row(fields):
            wrong = next((field for field in fields[1:] if not FEATURE.match(field)), fields[0])
            raise TableError(
                "expected labels such as 1,3,7 and features such as 12:0.5",
                file=self._path,
                row=row,
                line=line,
                value=wrong,
            )
        starts_with_labels = not content[0].isspace() and LABELS.match(fields[0])
        return fields[0].split(",") if starts_with_labels else []

    def number_labels(self, names: Sequence[str]) -> None:
        """Number the labels by their position in `names`, which hold all of this file's."""
        self._listed.renumber(names)
        self.label_names = tuple(names)

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time."""
        first_row, lists = 1, []
        for labels in self._lists():
            lists.append(labels)
            if len(lists) == rows:
                yield self._block(lists, first_row)
                first_row, lists = first_row + rows, []
        if lists:
            yield self._block(lists, first_row)

    def _block(self, lists: list[list[str]], first_row: int) -> Block:
        read = (first_row - 1 + len(lists)) / (self.rows or 1)
        return Block(self._listed.rows(lists), len(lists), self._path, first_row, read)

    def description(self) -> dict[str, Any]:
        """The format."""
        return {"format": "svmlight", "coding": {"list_column": "the first field"}, "rows": self.rows}


def open_svmlight(path: str, options: TableOptions) -> SvmlightTable:
    """Open a file of svmlight with several labels a row.

    Raises:
        TableError: another format.
    """
    return SvmlightTable(path, options)
