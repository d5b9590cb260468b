"""Parquet with a column that lists each row's labels, as names, as class numbers, or as a text `a|b|c`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from obrl.mining.blocks import ROWS_PER_BLOCK, Block, SparseLabels
from obrl.mining.errors import EmptyTable, TableError
from obrl.mining.tables.arrow import numbers
from obrl.mining.tables.listed import ListedLabels
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.parquet_file import ParquetFile, RowTexts
from obrl.mining.tables.roles import list_roles

LISTS = ("list<", "large_list<")
SEPARATOR = "|"


class ParquetLists:
    """One file with a column of lists; it is read twice, first for the labels, unless its metadata name them.

    Args:
        file: the Parquet file.
        column: the one that lists the labels.
        options: of the user; `labels` and `drop` concern the labels.

    Raises:
        TableError: fewer than two labels, or lists that are vectors of 0 and 1.
    """

    def __init__(self, file: ParquetFile, column: str, options: TableOptions) -> None:
        self.files: tuple[str, ...] = (file.path,)
        self._file, self._path, self._column, self._options = file, file.path, column, options
        self.rows: int | None = file.rows
        self.row_groups, self.place = file.row_groups, file.place
        if not self.rows:
            raise EmptyTable("the table has no rows", file=file.path)
        self._is_list = str(file.schema.field(column).type).startswith(LISTS)
        self._class_names = class_names(file.schema.metadata, column)
        self._listed = ListedLabels(options.none)
        if self._class_names is not None:
            self._listed.collect([self._class_names])
        else:
            self._collect()
        self.unseen_labels = self._listed.choose(options.labels, options.drop)
        roles = list_roles(file.schema.names, self._listed.names, options, file.path)
        self.label_names: tuple[str, ...] = roles.labels
        self._roles, self._texts = roles, RowTexts(file.path, roles, options)
        self.id_column: str | None = roles.id
        self.group_column: str | None = self._texts.group_column

    def number_labels(self, names: Sequence[str]) -> None:
        """Number the labels by their position in `names`, which hold all of this file's."""
        self._listed.renumber(names)
        self.label_names = tuple(names)

    def _collect(self) -> None:
        """Number the labels in the order in which they occur, in a first pass."""
        for batch in self._file.batches([self._column], ROWS_PER_BLOCK):
            words, entries, _ = self._words(batch.column(0), 1)
            order = np.unique(entries, return_index=True)
            for number in order[0][np.argsort(order[1])].tolist():
                self._listed.collect([words[number]])
        if set(self._listed.names) <= {"0", "1", "0.0", "1.0", "False", "True"}:
            raise TableError(
                "the lists hold 0 and 1 alone, so they seem to be vectors, with an entry for every label",
                file=self._path,
                column=self._column,
                remedy="store each label in a column of its own, or the matrix as Y in an .npz",
            )

    def _words(self, column: Any, first_row: int) -> tuple[list[list[str]], Any, Any]:
        """Distinct entries, each as the labels that it stands for, and where they stand.

        Returns:
            Of each distinct entry its labels; (entries,) the entries' numbers in row order; (rows,) entries a row.
        """
        if self._is_list:
            offsets = np.concatenate([[0], np.cumsum(_lengths(column))])
            flat = column.flatten()
        else:
            offsets, flat = np.arange(len(column) + 1), column
        encoded = flat if hasattr(flat, "dictionary_decode") else flat.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        entries, empty = numbers(encoded.indices)
        entries = np.array(entries, np.int64)
        if empty is not None:
            entries[empty] = len(values)
        words = [self._labels_of(value, number, entries, offsets, first_row) for number, value in enumerate(values)]
        return [*words, []], entries, np.diff(offsets)

    def _labels_of(self, value: Any, number: int, entries: Any, offsets: Any, first_row: int) -> list[str]:
        if value is None:
            return []
        names = self._class_names
        if names is None or isinstance(value, str):
            split = isinstance(value, str) and not self._is_list
            return [word.strip() for word in value.split(SEPARATOR)] if split else [str(value)]
        if isinstance(value, int) and 0 <= value < len(names):
            return [names[value]]
        place = int(np.flatnonzero(entries == number)[0])
        row = int(np.searchsorted(offsets, place, "right")) - 1
        raise TableError(
            f"expected the number of one of {len(names)} classes",
            file=self._path,
            row=first_row + row,
            column=self._column,
            value=value,
        )

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time."""
        return self._blocks(rows, range(len(self.row_groups)))

    def piece(self, row_groups: range) -> Iterator[Block]:
        """The rows of consecutive row groups, in order."""
        return self._blocks(ROWS_PER_BLOCK, row_groups)

    def _blocks(self, rows: int, row_groups: range) -> Iterator[Block]:
        first_row = 1 + sum(self.row_groups[: row_groups.start])
        columns = list(dict.fromkeys([self._column, *self._roles.text]))
        for batch in self._file.batches(columns, rows, row_groups):
            words, entries, sizes = self._words(batch.column(self._column), first_row)
            labels = _sparse(self._listed.rows(words), entries, sizes)
            texts = self._texts.columns(batch, first_row)
            read = (first_row - 1 + batch.num_rows) / (self.rows or 1)
            yield Block(labels, batch.num_rows, self._path, first_row, read, texts)
            first_row += batch.num_rows

    @property
    def occurred(self) -> tuple[bool, ...]:
        """Nothing: lists have no values that could be read in two ways."""
        return ()

    def gather(self, occurred: Iterable[Sequence[bool]]) -> None:
        """Nothing is to be taken over."""

    def description(self) -> dict[str, Any]:
        """The format, and which column listed the labels."""
        return {
            "format": "parquet",
            "coding": {"list_column": self._column, "none": self._options.none},
            "id": self.id_column,
            "groups": self._options.groups,
            "rows": self.rows,
        }


def list_column(file: ParquetFile, options: TableOptions) -> str | None:
    """The column that lists the labels: the one that the user names, or the only column of lists; else None."""
    if options.list_column is not None:
        if options.list_column not in file.schema.names:
            raise TableError("there is no such column", file=file.path, column=options.list_column)
        return options.list_column
    lists = [
        name
        for name in file.schema.names
        if str(file.schema.field(name).type).startswith(LISTS) and name not in (*options.drop, *options.keep)
    ]
    return lists[0] if len(lists) == 1 else None


def class_names(metadata: dict[bytes, bytes] | None, column: str) -> list[str] | None:
    """The names of class numbers, as Hugging Face's data sets store them in the schema; None where they do not."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        feature = features[column]
    except (KeyError, TypeError, ValueError):
        return None
    while isinstance(feature, list) or (isinstance(feature, dict) and "names" not in feature):
        inner = feature.get("feature") if isinstance(feature, dict) else next(iter(feature), None)
        if inner is None:
            return None
        feature = inner
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None


def _lengths(column: Any) -> Any:
    """How many entries each row's list has; 0 for null."""
    import pyarrow.compute as pc

    lengths, empty = numbers(pc.list_value_length(column))
    return lengths if empty is None else np.where(empty, 0, lengths)


def _sparse(labels_of: SparseLabels, entries: Any, sizes: Any) -> SparseLabels:
    """The rows whose entries stand for the labels of rows of `labels_of`; a label counts once a row."""
    num_labels, rows = labels_of.num_labels, len(sizes)
    lengths = np.diff(labels_of.indptr)[entries]
    starts = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    picked = np.arange(total) + np.repeat(labels_of.indptr[entries] - starts, lengths)
    row_of = np.repeat(np.repeat(np.arange(rows), sizes), lengths)
    keys = np.unique(row_of * max(1, num_labels) + labels_of.indices[picked])
    indptr = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(keys // max(1, num_labels), minlength=rows), out=indptr[1:])
    return SparseLabels(indptr, (keys % max(1, num_labels)).astype(np.int32), num_labels)
