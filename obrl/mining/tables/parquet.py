"""Parquet with a column for each label; see `parquet_lists` for one column that lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.blocks import ROWS_PER_BLOCK, Block, DenseLabels
from obrl.mining.errors import EmptyTable, TableError
from obrl.mining.tables.arrow import numbers
from obrl.mining.tables.delimited import EMPTY_WORDS, FALSE, TRUE, is_label
from obrl.mining.tables.options import LabelTable, TableOptions
from obrl.mining.tables.parquet_file import MAGIC, ParquetFile, RowTexts, stacked
from obrl.mining.tables.parquet_lists import ParquetLists, list_column
from obrl.mining.tables.roles import Offender, choose_roles, may_name_rows, offender_of
from obrl.mining.tables.values import WHAT_IS_ALLOWED, ValueCoding, remedy_for_column

__all__ = ["MAGIC", "ParquetTable", "open_parquet"]

NUMBERS = ("bool", "int", "uint", "float", "double", "halffloat", "null")
TEXTS = ("string", "large_string", "string_view")
SAMPLE_ROWS = 200
ENTRIES_PER_BLOCK = 2**24
"""Blocks of wide tables have fewer rows, so that a block takes some ten megabytes whatever the number of labels."""
ENTRIES_DECODED = 2**22
"""So many entries are decoded at a time: pyarrow takes some 40 bytes for each."""


class ParquetTable:
    """One file whose columns are labels: bool, numbers, text such as "true", or dictionaries of these.

    Args:
        file: the Parquet file.
        options: of the user.

    Raises:
        TableError: no columns of labels, or ones that the options name and the file lacks.
    """

    def __init__(self, file: ParquetFile, options: TableOptions) -> None:
        if not file.rows:
            raise EmptyTable("the table has no rows", file=file.path)
        self.files: tuple[str, ...] = (file.path,)
        self._file, self._path, self._options = file, file.path, options
        self._kinds = {name: _kind(file.schema.field(name).type) for name in file.schema.names}
        self._first_names_rows = True
        unusable = self._unusable()
        roles = choose_roles(file.schema.names, unusable, options, file.path, first_names_rows=self._first_names_rows)
        self._roles, self._texts = roles, RowTexts(file.path, roles, options)
        for name in roles.labels:
            if not self._kinds[name].startswith((*NUMBERS, *TEXTS)):
                raise TableError(
                    f"a column of {self._kinds[name]} holds no labels",
                    file=file.path,
                    column=name,
                    remedy=remedy_for_column(name),
                )
        self.label_names: tuple[str, ...] = roles.labels
        self.id_column: str | None = roles.id
        self.group_column: str | None = self._texts.group_column
        self.rows: int | None = file.rows
        self.row_groups, self.place = file.row_groups, file.place
        self._coding = ValueCoding(options)

    def _unusable(self) -> dict[str, Offender]:
        """The columns that can hold no labels: by their type, or, of text and integers, by their first rows."""
        unusable = {
            name: Offender(f"a column of {kind}", None, words=True)
            for name, kind in self._kinds.items()
            if not kind.startswith((*NUMBERS, *TEXTS))
        }
        texts = [name for name, kind in self._kinds.items() if kind in TEXTS]
        integers = [name for name, kind in self._kinds.items() if kind.startswith(("int", "uint"))]
        for columns, rows in ((texts, ROWS_PER_BLOCK), (integers, SAMPLE_ROWS)):
            batch: Any = next(self._file.batches(columns, rows)) if columns else None
            for name in columns:
                cells = ["" if cell is None else str(cell) for cell in _plain(batch.column(name)).to_pylist()]
                usable = [is_label(cell) for cell in cells]
                offender = offender_of(cells, usable)
                if offender is not None:
                    unusable[name] = offender
                if name == self._file.schema.names[0]:
                    is_id = may_name_rows(cells, usable)  # integers that repeat, such as ages, name no rows
                    self._first_names_rows = is_id and (name in texts or (offender is not None and offender.distinct))
        return unusable

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time, or fewer where there are many labels."""
        yield from self._blocks(rows, range(len(self.row_groups)))
        self._coding.finish(self._path)

    def piece(self, row_groups: range) -> Iterator[Block]:
        """The rows of consecutive row groups, in order; the table's own values are then those of these rows."""
        return self._blocks(ROWS_PER_BLOCK, row_groups)

    def _blocks(self, rows: int, row_groups: range) -> Iterator[Block]:
        self._coding = ValueCoding(self._options)
        rows = min(rows, max(1_024, ENTRIES_PER_BLOCK // len(self.label_names)))
        decoded = -(-rows * len(self.label_names) // ENTRIES_DECODED)
        names = list(dict.fromkeys([*self.label_names, *self._roles.text]))
        first_row, parts = 1 + sum(self.row_groups[: row_groups.start]), list[Block]()
        for batch in self._file.batches(names, max(1, rows // decoded), row_groups):
            texts = self._texts.columns(batch, first_row)
            read = (first_row - 1 + batch.num_rows) / (self.rows or 1)
            parts.append(Block(self._labels(batch, first_row), batch.num_rows, self._path, first_row, read, texts))
            first_row += batch.num_rows
            if len(parts) == decoded:
                yield _joined(parts)
                parts = []
        if parts:
            yield _joined(parts)

    @property
    def occurred(self) -> tuple[bool, ...]:
        """Which values occurred in the rows that were read last, for `gather`."""
        return self._coding.occurred

    def gather(self, occurred: Iterable[Sequence[bool]]) -> None:
        """Take over which values occurred in each piece, as if the whole table had been read here."""
        self._coding = ValueCoding(self._options, occurred)
        self._coding.finish(self._path)

    def _labels(self, batch: Any, first_row: int) -> DenseLabels:
        def place(column: int, row: int) -> dict[str, Any]:
            return {"file": self._path, "row": first_row + row, "column": self.label_names[column]}

        columns = []
        for position, name in enumerate(self.label_names):
            array = _plain(batch.column(name))
            texts = self._kinds[name] in TEXTS
            columns.append(self._numbers_of_texts(array, place, position) if texts else numbers(array))
        values, empty = stacked(columns)
        codes, complete = self._coding.codes(values, empty, place)
        return DenseLabels(codes, complete)

    def _numbers_of_texts(self, array: Any, place: Any, position: int) -> tuple[npt.NDArray[Any], None]:
        """Texts as numbers, NaN where they are empty."""
        encoded = array.dictionary_encode()
        words = encoded.dictionary.to_pylist()
        indices, empty = numbers(encoded.indices)
        meanings = np.array([_number(word) if is_label(word) else np.inf for word in words] or [np.nan], np.float32)
        values = meanings[np.where(empty, 0, indices) if empty is not None else indices]
        if empty is not None:
            values[empty] = np.nan
        wrong = np.flatnonzero(np.isinf(values))
        if len(wrong):
            row = int(wrong[0])
            where = place(position, row)
            raise TableError(
                WHAT_IS_ALLOWED, **where, value=words[int(indices[row])], remedy=remedy_for_column(where["column"])
            )
        return values, None

    def description(self) -> dict[str, Any]:
        """The format and the coding."""
        return {
            "format": "parquet",
            "coding": self._coding.description(),
            "id": self.id_column,
            "groups": self._options.groups,
            "rows": self.rows,
        }


def _joined(parts: list[Block]) -> Block:
    """Consecutive blocks as one."""
    if len(parts) == 1:
        return parts[0]
    labels = [part.labels for part in parts if isinstance(part.labels, DenseLabels)]
    codes = np.concatenate([label.codes for label in labels], axis=1)
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    return replace(
        parts[0],
        labels=DenseLabels(codes, all(label.complete for label in labels)),
        rows=codes.shape[1],
        read=parts[-1].read,
        columns=columns,
    )


def open_parquet(path: str, options: TableOptions) -> LabelTable:
    """Open a Parquet file whose columns are labels, or one of which lists them.

    Raises:
        TableError: a damaged file, or none of labels.
    """
    file = ParquetFile(path)
    lists = list_column(file, options)
    return ParquetTable(file, options) if lists is None else ParquetLists(file, lists, options)


def _kind(type_: Any) -> str:
    """The name of a column's type; of a dictionary's, that of its values."""
    return str(getattr(type_, "value_type", type_) if str(type_).startswith("dictionary") else type_)


def _plain(array: Any) -> Any:
    """The values of a column that may be a dictionary."""
    return array.dictionary_decode() if hasattr(array, "dictionary_decode") else array


def _number(word: str) -> float:
    text = word.strip()
    if text in EMPTY_WORDS:
        return np.nan
    return 1.0 if text in TRUE else 0.0 if text in FALSE else float(text)
