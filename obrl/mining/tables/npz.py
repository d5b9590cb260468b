"""NumPy's .npz with a dense or a sparse matrix of labels. Nothing is ever unpickled."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.blocks import ROWS_PER_BLOCK, Block, DenseLabels, SparseLabels
from obrl.mining.counting import some_rows
from obrl.mining.errors import MiningWarning, TableError
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import check_names, choose_roles
from obrl.mining.tables.text import open_bytes
from obrl.mining.tables.values import ValueCoding

SPARSE = ("data", "indices", "indptr", "shape")


class NpzTable:
    """The labels of one file, which are in memory, with their columns of text.

    Args:
        path: as the user named it.
        values: (rows, num_labels), or the labels as sparse rows.
        names: of the labels.
        options: of the user.
        columns: further arrays of the file, (rows,), by name.
    """

    def __init__(
        self,
        path: str,
        values: npt.NDArray[Any] | SparseLabels,
        names: tuple[str, ...],
        options: TableOptions,
        columns: dict[str, npt.NDArray[Any]],
    ) -> None:
        self.files: tuple[str, ...] = (path,)
        self.label_names: tuple[str, ...] = names
        self.rows: int | None = len(values.indptr) - 1 if isinstance(values, SparseLabels) else len(values)
        self.id_column: str | None = options.id
        self.group_column: str | None = options.groups
        self._path, self._values, self._options = path, values, options
        self._columns = {
            name: columns[name] for name in (options.id, options.groups, *options.keep) if name is not None
        }
        self._coding = ValueCoding(options)

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time."""
        self._coding = ValueCoding(self._options)
        total = self.rows or 0
        if not total:
            raise TableError("the table has no rows", file=self._path)
        for start in range(0, total, rows):
            stop = min(total, start + rows)
            columns = {name: column[start:stop].astype(str).astype(object) for name, column in self._columns.items()}
            yield Block(self._labels(start, stop), stop - start, self._path, start + 1, stop / total, columns)
        if not isinstance(self._values, SparseLabels):
            self._coding.finish(self._path)

    def _labels(self, start: int, stop: int) -> DenseLabels | SparseLabels:
        if isinstance(self._values, SparseLabels):
            return some_rows(self._values, slice(start, stop))

        def place(column: int, row: int) -> dict[str, Any]:
            return {"file": self._path, "row": start + row + 1, "column": self.label_names[column]}

        codes, complete = self._coding.codes(np.ascontiguousarray(self._values[start:stop].T), None, place)
        return DenseLabels(codes, complete)

    def description(self) -> dict[str, Any]:
        """The format and the coding."""
        sparse = isinstance(self._values, SparseLabels)
        coding = {"values": [1]} if sparse else self._coding.description()
        return {"format": "npz", "sparse": sparse, "coding": coding, "groups": self._options.groups, "rows": self.rows}


def open_npz(path: str, options: TableOptions) -> NpzTable:
    """Open an .npz that holds `Y`, or `Y_data`, `Y_indices`, `Y_indptr` and `Y_shape`, or SciPy's sparse matrix.

    Names are those of the array `label_names`, or the numbers of the columns.

    Raises:
        TableError: no labels, or arrays of objects, which only unpickling could read.
    """
    wanted = [name for name in (options.id, options.groups, *options.keep) if name is not None]
    arrays = load_plain(path, wanted)
    values = _matrix(arrays, path)
    width = values.num_labels if isinstance(values, SparseLabels) else values.shape[1]
    names = [str(name) for name in arrays.get("label_names", np.arange(width)).tolist()]
    if len(names) != width:
        raise TableError(f"label_names holds {len(names)} names for {width} columns", file=path)
    check_names(names, path)
    rows = len(values.indptr) - 1 if isinstance(values, SparseLabels) else len(values)
    columns = {name: array for name, array in arrays.items() if array.shape == (rows,) and name != "label_names"}
    for name in (options.id, options.groups, *options.keep):
        if name is not None and name not in columns:
            raise TableError(
                f"there is no array of {rows} entries with this name", file=path, column=name, remedy=_listed(arrays)
            )
    bare = TableOptions(labels=options.labels, drop=options.drop)
    labels = choose_roles(names, {}, bare, path).labels
    if labels != tuple(names):
        values = _some_labels(values, [names.index(name) for name in labels])
    return NpzTable(path, values, labels, options, columns)


def load_plain(path: str, further: Sequence[str] = ()) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz that hold labels and names, with `further` ones; all of them where none is called Y.

    Raises:
        TableError: a damaged file, or one of these arrays holds objects.
    """
    with open_bytes(path) as file:
        try:
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise TableError("the file holds a single array", file=path, remedy="save it as Y with numpy.savez")
            named = {"Y", *(f"Y_{name}" for name in SPARSE), "label_names", *further}
            has_labels = "Y" in content.files or "Y_data" in content.files
            arrays = {name: content[name] for name in content.files if name in named or not has_labels}
            return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
        except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
            raise TableError(
                f"the .npz file is cut off or damaged ({error})", file=path, remedy="fetch it again"
            ) from None
        except ValueError as error:
            if isinstance(error, TableError):
                raise
            raise TableError(
                "an array holds Python objects, which only unpickling could read, and obrl never unpickles",
                file=path,
                remedy="save plain arrays: numbers as Y, and names as text (dtype=str)",
            ) from None


def _matrix(arrays: dict[str, npt.NDArray[Any]], path: str) -> npt.NDArray[Any] | SparseLabels:
    kind = arrays.get("format")  # SciPy's name of the layout, as bytes
    if kind is not None and kind.shape == () and kind.item() not in (b"csr", "csr"):
        raise TableError(
            "the sparse matrix must be stored by rows (csr)",
            file=path,
            value=kind.item(),
            remedy="convert it: scipy.sparse.save_npz(path, matrix.tocsr())",
        )
    for prefix in ("Y_", ""):
        if {prefix + name for name in SPARSE} <= set(arrays):
            return _sparse(*(arrays[prefix + name] for name in SPARSE), path=path)
    values = arrays.get("Y")
    if values is None:
        tables = [array for array in arrays.values() if array.ndim == 2 and array.dtype.kind in "biuf"]
        if len(tables) != 1:
            raise TableError("there is no array Y of labels", file=path, remedy=_listed(arrays))
        values = tables[0]
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise TableError(
            f"Y must be a matrix of numbers, (rows, labels), got shape {values.shape} of {values.dtype}", file=path
        )
    return values


def _sparse(
    data: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    indptr: npt.NDArray[Any],
    shape: npt.NDArray[Any],
    *,
    path: str,
) -> SparseLabels:
    rows, width = (int(size) for size in shape)
    fits = len(indptr) == rows + 1 and int(indptr[-1]) == len(indices) == len(data)
    if not fits or (len(indices) and not 0 <= indices.min() <= indices.max() < width) or (np.diff(indptr) < 0).any():
        raise TableError("the sparse matrix does not fit together, or is not of compressed sparse rows", file=path)
    if data.size and not np.isin(data, (0, 1)).all():
        wrong = int(np.flatnonzero(~np.isin(data, (0, 1)))[0])
        row = int(np.searchsorted(indptr, wrong, "right"))
        raise TableError("a stored entry must be 1 (or 0)", file=path, row=row, value=data[wrong].item())
    numbers = np.repeat(np.arange(rows, dtype=np.int64), np.diff(indptr)) * width + indices
    entries = np.unique(numbers[data != 0])
    if len(entries) < np.count_nonzero(data):
        warnings.warn(f"{path}: entries are stored twice; each counts once", MiningWarning, stacklevel=2)
    counts = np.bincount(entries // width, minlength=rows)
    return SparseLabels(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (entries % width).astype(np.int32), width
    )


def _some_labels(values: npt.NDArray[Any] | SparseLabels, columns: list[int]) -> npt.NDArray[Any] | SparseLabels:
    if not isinstance(values, SparseLabels):
        return values[:, columns]
    position = np.full(values.num_labels, -1, np.int64)
    position[columns] = np.arange(len(columns))
    rows = np.repeat(np.arange(len(values.indptr) - 1), np.diff(values.indptr))
    chosen = position[values.indices]
    keys = np.sort((rows * len(columns) + chosen)[chosen >= 0])
    counts = np.bincount(keys // len(columns), minlength=len(values.indptr) - 1)
    return SparseLabels(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        (keys % len(columns)).astype(np.int32),
        len(columns),
    )


def _listed(arrays: dict[str, npt.NDArray[Any]]) -> str:
    return "its arrays are " + ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:8])
