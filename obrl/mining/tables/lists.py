"""Text tables whose rows list their labels: a column `a|b|c` of a CSV file, and JSON lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from obrl.mining.blocks import ROWS_PER_BLOCK, Block
from obrl.mining.errors import EmptyTable, TableError
from obrl.mining.tables.csv import delimiter_of
from obrl.mining.tables.groups import GROUP, GroupFile
from obrl.mining.tables.listed import ListedLabels
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import check_names, list_roles
from obrl.mining.tables.text import BOM, csv_records, first_lines, is_utf8, not_utf8, open_bytes

SEPARATOR = "|"


class ListTable:
    """One text file of rows that list their labels; it is read twice, first for the names of the labels.

    Args:
        path: as the user named it.
        options: of the user; `list_column` names the column or the key.
        json_lines: whether each line is an object of JSON; else the file is CSV or TSV.
    """

    def __init__(self, path: str, options: TableOptions, *, json_lines: bool) -> None:
        self.files: tuple[str, ...] = (path,)
        self._path, self._options, self._json = path, options, json_lines
        lines = first_lines(path)
        self._delimiter = delimiter_of(path, lines[0], options)
        self._column: str | None = None
        self._column = self._chosen_column(lines)
        words = ListedLabels(options.none)
        self.rows: int | None = 0
        keys: dict[str, None] = {}
        for record, _ in self._records():
            self.rows += 1
            keys |= dict.fromkeys(record)
            words.collect([self._words(record)])
        if not self.rows:
            raise EmptyTable("the table has a header and no rows", file=path)
        self.unseen_labels = words.choose(options.labels, options.drop)
        self._listed = words
        roles = list_roles(list(keys), words.names, options, path)
        self.label_names: tuple[str, ...] = roles.labels
        self.id_column: str | None = roles.id
        self._text = roles.text
        wants_file = options.groups is not None and roles.group is None
        self._group_file = GroupFile(str(options.groups)) if wants_file else None
        if wants_file and roles.id is None:
            raise TableError(
                "a file of groups needs ids, and no column names the rows", file=path, remedy="name it with --id COLUMN"
            )
        self.group_column: str | None = GROUP if wants_file else roles.group

    def _chosen_column(self, lines: list[str]) -> str:
        if self._options.list_column is not None:
            return self._options.list_column
        record = next(self._records())[0] if self._json and lines else {}
        lists = [name for name, value in record.items() if isinstance(value, list)]
        if len(lists) != 1:
            raise TableError(
                "no column lists the labels, or several do", file=self._path, remedy="name it with --list-column"
            )
        return lists[0]

    def _records(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Each row by column, with its line."""
        with open_bytes(self._path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as lines:
            try:
                yield from self._json_records(lines) if self._json else self._csv_records(lines)
            except UnicodeDecodeError:
                raise not_utf8(self._path, self._line_without_utf8()) from None

    def _line_without_utf8(self) -> int | None:
        with open_bytes(self._path) as file:
            return next((number for number, line in enumerate(file, 1) if not is_utf8(line)), None)

    def _json_records(self, lines: io.TextIOWrapper) -> Iterator[tuple[dict[str, Any], int]]:
        row = 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row += 1
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise TableError(f"the line is no JSON ({error.msg})", file=self._path, row=row, line=number) from None
            if not isinstance(record, dict):
                raise TableError("the line is no object", file=self._path, row=row, line=number, value=record)
            for word in self._listed_in(record):
                if not isinstance(word, str | int):
                    raise TableError(
                        "a label must be a text or a number",
                        file=self._path,
                        row=row,
                        line=number,
                        value=json.dumps(word),
                        remedy=f"correct {self._column!r}, or name another column with --list-column",
                    )
            yield record, number

    def _csv_records(self, lines: io.TextIOWrapper) -> Iterator[tuple[dict[str, Any], int]]:
        records = csv_records(lines, self._delimiter, self._path)
        names = [name.strip().removeprefix(BOM.decode()) for name in next(records)[1]]
        check_names(names, self._path)
        row = 0
        for line, cells in records:
            if not cells:
                continue
            row += 1
            if len(cells) != len(names):
                raise TableError(
                    f"expected {len(names)} cells, as the header has, got {len(cells)}",
                    file=self._path,
                    row=row,
                    line=line,
                    remedy="complete the row, or quote cells that contain the delimiter",
                )
            yield dict(zip(names, cells, strict=True)), line

    def _listed_in(self, record: dict[str, Any]) -> list[Any]:
        """What a record of JSON lists; a text is split later."""
        value = record.get(self._column) if self._column is not None else None
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def _words(self, record: dict[str, Any]) -> list[str]:
        value = record.get(str(self._column))
        if value is None:
            return []
        if isinstance(value, list):
            return [str(word) for word in value]
        return [word.strip() for word in str(value).split(SEPARATOR)]

    def number_labels(self, names: Sequence[str]) -> None:
        """Number the labels by their position in `names`, which hold all of this file's."""
        self._listed.renumber(names)
        self.label_names = tuple(names)

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time."""
        first_row, records = 1, []
        for record, _ in self._records():
            records.append(record)
            if len(records) == rows:
                yield self._block(records, first_row)
                first_row, records = first_row + rows, []
        if records:
            yield self._block(records, first_row)

    def _block(self, records: list[dict[str, Any]], first_row: int) -> Block:
        columns = {}
        for name in self._text:
            columns[name] = np.array([str(record.get(name, "")) for record in records], object)
        if self._group_file is not None and self.id_column is not None:
            columns[GROUP] = self._group_file.groups(columns[self.id_column], self._path, first_row)
        labels = self._listed.rows(self._words(record) for record in records)
        read = (first_row - 1 + len(records)) / (self.rows or 1)
        return Block(labels, len(records), self._path, first_row, read, columns)

    def description(self) -> dict[str, Any]:
        """The format and where the labels stood."""
        return {
            "format": "json lines" if self._json else "csv",
            "coding": {"list_column": self._column, "none": self._options.none},
            "id": self.id_column,
            "groups": self._options.groups,
            "rows": self.rows,
        }


def open_lists(path: str, options: TableOptions) -> ListTable:
    """Open a CSV or TSV file with a column that lists labels, as in `a|b|c`; `options.list_column` names it.

    Raises:
        TableError: no such table; the message names what to do.
    """
    return ListTable(path, options, json_lines=False)


def open_json_lines(path: str, options: TableOptions) -> ListTable:
    """Open a file of JSON lines, objects of which one key holds a list of labels (or a text `a|b|c`).

    Raises:
        TableError: no such table; the message names what to do.
    """
    return ListTable(path, options, json_lines=True)
