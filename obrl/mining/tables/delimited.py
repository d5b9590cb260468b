"""Text tables with one row a line, read with pyarrow in blocks: what CSV, TSV and CelebA's lists have in common."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from obrl.mining.blocks import ROWS_PER_BLOCK, Block, DenseLabels
from obrl.mining.errors import TableError
from obrl.mining.tables.arrow import numbers, require_arrow, strings
from obrl.mining.tables.groups import GROUP, GroupFile
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import Roles
from obrl.mining.tables.text import csv_records, is_utf8, not_utf8
from obrl.mining.tables.values import WHAT_IS_ALLOWED, ValueCoding, remedy_for_column

EMPTY_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
TRUE = ("true", "True", "TRUE")
FALSE = ("false", "False", "FALSE")
BYTES_PER_CELL = 2
"""Bytes of a one-character label and its delimiter; the size of a block in bytes is estimated from it."""


def is_label(text: str) -> bool:
    """Whether a cell holds a label in any coding."""
    text = text.strip()
    if text in EMPTY_WORDS or text in TRUE or text in FALSE:
        return True
    try:
        return float(text) in (-1.0, 0.0, 1.0)
    except ValueError:
        return False


class DelimitedTable:
    """One text file.

    Args:
        path: as the user named it.
        names: of all columns, in order.
        roles: of the columns.
        words: the label columns whose cells are decoded as text: those that say true and false, hold spaces around
            empty cells, or are empty in the first rows, so that words may follow.
        options: of the user.
        delimiter: between cells.
        header_lines: the lines before the first row.
        open_rows: opens the file at its first row.
        format_name: for `description`.
    """

    def __init__(
        self,
        path: str,
        names: Sequence[str],
        roles: Roles,
        words: frozenset[str],
        options: TableOptions,
        *,
        delimiter: str,
        header_lines: int,
        open_rows: Callable[[], IO[bytes]],
        format_name: str,
    ) -> None:
        self.files: tuple[str, ...] = (path,)
        self.label_names: tuple[str, ...] = roles.labels
        self.rows: int | None = None
        self.id_column: str | None = roles.id
        self._path, self._names, self._roles, self._words = path, tuple(names), roles, words
        self._options, self._delimiter, self._header_lines = options, delimiter, header_lines
        self._open_rows, self._format = open_rows, format_name
        self._group_file = GroupFile(options.groups) if options.groups is not None and roles.group is None else None
        if self._group_file is not None and roles.id is None:
            raise TableError(
                "a file of groups needs ids, and no column names the rows", file=path, remedy="name it with --id COLUMN"
            )
        self.group_column: str | None = roles.group if self._group_file is None else GROUP
        self._coding = ValueCoding(options)
        self._rows_read = 0

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, about `rows` at a time."""
        self._coding = ValueCoding(self._options)
        self._rows_read = 0
        size = os.path.getsize(self._path) if os.path.exists(self._path) else None  # noqa: PTH110, PTH202 - or a URL
        read: float | None = 0.0
        with self._open_rows() as file:
            try:
                for batch in self._batches(file, rows):
                    if batch.num_rows:
                        share = _share_read(file, size)  # pyarrow's thread reads on meanwhile: not always ascending
                        read = None if share is None or read is None else max(read, share)
                        yield self._block(batch, read)
            except (TableError, ValueError) as error:  # pyarrow's errors of parsing are ValueErrors
                raise self._explained(error) from None
        if not self._rows_read:
            raise TableError("the table has a header and no rows", file=self._path)
        self._coding.finish(self._path)

    def _batches(self, file: IO[bytes], rows: int) -> Iterator[Any]:
        pa = require_arrow("text tables")
        from pyarrow import csv as arrow_csv

        words = pa.dictionary(pa.int32(), pa.string())
        types = {name: words if name in self._words else pa.float32() for name in self._roles.labels}
        types |= dict.fromkeys(self._roles.text, pa.string())
        reader = arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(
                use_threads=True,
                block_size=max(2**16, min(2**26, rows * len(self._names) * BYTES_PER_CELL)),
                column_names=list(self._names),
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=self._format == "csv"),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                null_values=list(EMPTY_WORDS),
            ),
        )
        with reader:
            yield from reader

    def _block(self, batch: Any, read: float | None) -> Block:
        values = np.empty((len(self.label_names), batch.num_rows), np.float32)
        for position, name in enumerate(self.label_names):
            if name in self._words:
                values[position] = _numbers_of_words(batch.column(name))
                continue
            values[position], empty = numbers(batch.column(name))
            if empty is not None:
                values[position, empty] = np.nan
        first_row = self._rows_read + 1
        codes, complete = self._coding.codes(
            values, None, lambda column, row: self._place(self.label_names[column], first_row + row)
        )
        self._rows_read += batch.num_rows
        columns = {name: strings(batch.column(name)) for name in self._roles.text}
        if self._group_file is not None and self.id_column is not None:
            columns[GROUP] = self._group_file.groups(columns[self.id_column], self._path, first_row)
        return Block(DenseLabels(codes, complete), batch.num_rows, self._path, first_row, read, columns)

    def _place(self, column: str, row: int) -> dict[str, Any]:
        return {"file": self._path, "row": row, "column": column}

    def _explained(self, error: Exception) -> TableError:
        """The error with the first offender's row, line and text, by reading the file once more."""
        try:
            offender = self._first_offender()
        except UnicodeDecodeError:
            return not_utf8(self._path, self._line_without_utf8())
        if offender is not None:
            return offender
        return (
            error
            if isinstance(error, TableError)
            else TableError(f"the table cannot be read: {error}", file=self._path)
        )

    def _first_offender(self) -> TableError | None:
        labels = [(self._names.index(name), name) for name in self._roles.labels]
        with self._open_rows() as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as lines:
            row = 0
            for line, record in csv_records(lines, self._delimiter, self._path, self._header_lines):
                if not record:
                    continue
                row += 1
                place: dict[str, Any] = {"file": self._path, "row": row, "line": line}
                if len(record) != len(self._names):
                    return TableError(
                        f"expected {len(self._names)} cells, as the header has, got {len(record)}",
                        **place,
                        remedy="complete the row, or quote cells that contain the delimiter",
                    )
                for position, name in labels:
                    fault = self._fault(name, record[position])
                    if fault is not None:
                        remedy = remedy_for_column(name)
                        return TableError(fault, **place, column=name, value=record[position], remedy=remedy)
        return None

    def _fault(self, name: str, cell: str) -> str | None:
        """What is wrong with a cell of a label column, or None."""
        if not is_label(cell):
            return WHAT_IS_ALLOWED
        if name in self._words or cell in EMPTY_WORDS:
            return None
        if cell.strip() in EMPTY_WORDS:
            return "the empty cell holds spaces"
        return "the column holds numbers above, and a word here" if cell.strip() in (*TRUE, *FALSE) else None

    def _line_without_utf8(self) -> int | None:
        with self._open_rows() as file:
            numbered = enumerate(file, self._header_lines + 1)
            return next((number for number, line in numbered if not is_utf8(line)), None)

    def description(self) -> dict[str, Any]:
        """The format, the coding, and the columns."""
        return {
            "format": self._format,
            "coding": self._coding.description(),
            "id": self.id_column,
            "groups": self._options.groups,
            "rows": self._rows_read,
        }


def _numbers_of_words(array: Any) -> npt.NDArray[np.float32]:
    """The values of a column of text by its dictionary; raises ValueError for one that is no label."""
    table = [_number(word) for word in array.dictionary.to_pylist()]
    numbers_of_rows, _ = numbers(array.indices)
    return np.array(table, np.float32)[numbers_of_rows]


def _number(word: str) -> float:
    word = word.strip()
    if word in (*TRUE, *FALSE):
        return float(word in TRUE)
    return math.nan if word in EMPTY_WORDS else float(word)


def _share_read(file: IO[bytes], size: int | None) -> float | None:
    """How much of a file has been read; None for a packed or a remote one."""
    try:
        return None if size is None else min(1.0, file.tell() / size)
    except OSError:
        return None
