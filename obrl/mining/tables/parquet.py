"""Parquet: columns of labels, or one column that lists them, as Hugging Face's data sets do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.blocks import ROWS_PER_BLOCK, Block, DenseLabels, SparseLabels
from obrl.mining.errors import TableError
from obrl.mining.tables.arrow import numbers, require_arrow, strings
from obrl.mining.tables.groups import GROUP, GroupFile
from obrl.mining.tables.listed import ListedLabels
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import Offender, check_names, choose_roles, list_roles
from obrl.mining.tables.text import open_bytes
from obrl.mining.tables.values import ValueCoding

MAGIC = b"PAR1"
NUMBERS = ("bool", "int", "uint", "float", "double", "halffloat", "null")


class ParquetTable:
    """One Parquet file.

    Args:
        path: as the user named it.
        options: of the user.

    Raises:
        TableError: a damaged file, or none of labels.
    """

    def __init__(self, path: str, options: TableOptions) -> None:
        self.files: tuple[str, ...] = (path,)
        self._path, self._options = path, options
        with open_bytes(path) as file:
            footer = self._open(file)
            schema = footer.schema_arrow
            self.rows: int | None = footer.metadata.num_rows
        names = list(schema.names)
        check_names(names, path)
        kinds = {name: str(schema.field(name).type) for name in names}
        self._lists = options.list_column or _only_list(kinds, options)
        self._class_names = _class_names(schema.metadata, self._lists)
        self._words: ListedLabels | None = None
        if self._lists is None:
            unusable = {
                name: Offender(f"a column of {kind}", None)
                for name, kind in kinds.items()
                if not kind.startswith(NUMBERS)
            }
            self._roles = choose_roles(names, unusable, options, path)
        else:
            self._words = self._collected()
            self._roles = list_roles(names, self._words.names, options, path)
        self.label_names: tuple[str, ...] = self._roles.labels
        self.id_column: str | None = self._roles.id
        wants_file = options.groups is not None and self._roles.group is None
        self._group_file = GroupFile(str(options.groups)) if wants_file else None
        if wants_file and self.id_column is None:
            raise TableError(
                "a file of groups needs ids, and no column names the rows", file=path, remedy="name it with --id COLUMN"
            )
        self.group_column: str | None = GROUP if wants_file else self._roles.group
        self._coding = ValueCoding(options)
        if not self.rows:
            raise TableError("the table has no rows", file=path)

    def _open(self, file: Any) -> Any:
        require_arrow("Parquet")
        import pyarrow as pa
        from pyarrow import parquet

        try:
            return parquet.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> TableError:
        reason = str(error).splitlines()[0][:120]
        return TableError(
            f"the Parquet file is cut off or damaged ({reason})", file=self._path, remedy="fetch it again"
        )

    def _batches(self, columns: list[str], rows: int) -> Iterator[Any]:
        with open_bytes(self._path) as file:
            content = self._open(file)
            try:
                yield from content.iter_batches(batch_size=rows, columns=columns, use_threads=False)
            except (OSError, ValueError) as error:
                if isinstance(error, TableError):
                    raise
                raise self._damaged(error) from None

    def _collected(self) -> ListedLabels:
        words = ListedLabels(self._options.none)
        if self._class_names is not None:
            words.collect([self._class_names])
        else:
            for batch in self._batches([str(self._lists)], ROWS_PER_BLOCK):
                words.collect(self._listed(batch.column(0)))
        words.choose(self._options.labels, self._options.drop if self._options.labels is None else (), self._path)
        return words

    def _listed(self, column: Any) -> Iterator[list[str]]:
        """The words of each row's list; a text is split at `|`."""
        for value in column.to_pylist():
            if value is None:
                yield []
            elif isinstance(value, str):
                yield [word.strip() for word in value.split("|")]
            elif isinstance(value, list):
                names = self._class_names
                yield [str(word) if names is None else names[int(word)] for word in value if word is not None]
            else:
                yield [str(value)]

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time."""
        self._coding = ValueCoding(self._options)
        first_row = 1
        labels = self.label_names if self._lists is None else (self._lists,)
        for batch in self._batches(list(dict.fromkeys([*labels, *self._roles.text])), rows):
            columns = {name: strings(batch.column(name)) for name in self._roles.text}
            if self._group_file is not None and self.id_column is not None:
                columns[GROUP] = self._group_file.groups(columns[self.id_column], self._path, first_row)
            read = (first_row - 1 + batch.num_rows) / (self.rows or 1)
            yield Block(self._labels(batch, first_row), batch.num_rows, self._path, first_row, read, columns)
            first_row += batch.num_rows
        if self._lists is None:
            self._coding.finish(self._path)

    def _labels(self, batch: Any, first_row: int) -> DenseLabels | SparseLabels:
        if self._words is not None:
            return self._words.rows(self._listed(batch.column(self._lists)))
        values, empty = _stacked([numbers(batch.column(name)) for name in self.label_names])

        def place(column: int, row: int) -> dict[str, Any]:
            return {"file": self._path, "row": first_row + row, "column": self.label_names[column]}

        codes, complete = self._coding.codes(values, empty, place)
        return DenseLabels(codes, complete)

    def description(self) -> dict[str, Any]:
        """The format and the coding."""
        coding = {"list_column": self._lists} if self._lists is not None else self._coding.description()
        return {
            "format": "parquet",
            "coding": coding,
            "id": self.id_column,
            "groups": self._options.groups,
            "rows": self.rows,
        }


def open_parquet(path: str, options: TableOptions) -> ParquetTable:
    """Open a Parquet file whose columns are labels (bool, integers or floating point), or one of which lists them.

    Raises:
        TableError: a damaged file, or none of labels.
    """
    return ParquetTable(path, options)


def _stacked(
    columns: list[tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]],
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Columns as one array, one array row a column, and where they are empty."""
    kinds = {values.dtype for values, _ in columns}
    dtype = kinds.pop() if len(kinds) == 1 else np.dtype(np.float64)
    stacked = np.empty((len(columns), len(columns[0][0])), dtype)
    for position, (values, _) in enumerate(columns):
        stacked[position] = values
    if all(empty is None for _, empty in columns):
        return stacked, None
    nowhere = np.zeros(stacked.shape[1], bool)
    return stacked, np.stack([nowhere if empty is None else empty for _, empty in columns])


def _only_list(kinds: dict[str, str], options: TableOptions) -> str | None:
    """The one column of lists, where there is one and nobody asked for columns of labels."""
    lists = [
        name for name, kind in kinds.items() if kind.startswith(("list", "large_list")) and name not in options.drop
    ]
    return lists[0] if len(lists) == 1 else None


def _class_names(metadata: dict[bytes, bytes] | None, lists: str | None) -> list[str] | None:
    """The names of class numbers, as Hugging Face's data sets store them in the schema."""
    if lists is None or not metadata or b"huggingface" not in metadata:
        return None
    features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
    feature = features.get(lists, {})
    feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None
