"""Label tables in memory, from NumPy, pandas, polars, Arrow or SciPy, as labels to count and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.arrays import as_labels
from obrl.errors import check_labels, metadata
from obrl.labels import read_labels
from obrl.mining.blocks import MISSING, DenseLabels, SparseLabels


def read_matrix(targets: Any, observed: npt.ArrayLike | None = None) -> DenseLabels | SparseLabels:
    """Labels to count.

    Args:
        targets: (rows, num_labels): an array, a data frame of pandas or polars, a table of Arrow, or a sparse matrix or
            array of SciPy, whose stored zeros are absent. bool, integer or floating point in [0, 1]; at least 0.5
            counts as present; NaN, nulls, and what a NumPy masked array masks, are missing.
        observed: (rows, num_labels), bool; False marks a missing target.

    Raises:
        TypeError: text or complex numbers.
        ValueError: a wrong shape, or a known target outside [0, 1].
    """
    if hasattr(targets, "tocsr"):
        if observed is not None:
            raise TypeError("observed must be None for a sparse matrix, whose entries are all known, got an array")
        return _from_sparse(targets)
    y, mask = as_labels(_as_numbers(targets), observed)
    check_labels(metadata(y), None if mask is None else metadata(mask), num_labels=None)
    labels = read_labels(y, mask)
    codes = np.ascontiguousarray(labels.positive.T).astype(np.int8)
    if labels.observed is not None:
        codes[~labels.observed.T] = MISSING
    return DenseLabels(codes, complete=labels.observed is None)


def column_names(targets: Any) -> tuple[str, ...] | None:
    """The names of the columns of a data frame or table where all are text; None for what has no names."""
    columns = targets.column_names if hasattr(targets, "column_names") else getattr(targets, "columns", None)
    if columns is None:
        return None
    names = tuple(columns)
    return names if all(isinstance(name, str) for name in names) else None


def mined_names(targets: Any, label_names: Sequence[str] | None) -> Sequence[str] | None:
    """`label_names`, or without them the names of the columns; ValueError if both are the same in another order."""
    columns = column_names(targets)
    if label_names is None:
        return columns
    if columns is not None and set(columns) == set(label_names):
        check_column_names(targets, label_names)
    return label_names


def check_column_names(targets: Any, names: Sequence[str] | None) -> None:
    """Raise ValueError for a data frame whose columns are other labels than these, or stand in another order."""
    columns = column_names(targets)
    if columns is None or names is None or columns == tuple(names):
        return
    if set(columns) == set(names):
        position = next(k for k, name in enumerate(names) if columns[k] != name)
        raise ValueError(
            f"the columns must be in the order of the labels: column {position} must be {names[position]!r}, "
            f"got {columns[position]!r}"
        )
    unknown = next((column for column in columns if column not in names), None)
    missing = next((name for name in names if name not in columns), None)
    came = f"column {unknown!r}" if missing is None else f"no column {missing!r}"
    raise ValueError(f"the columns must be the {len(names)} labels of the relation, got {came}")


def _as_numbers(targets: Any) -> Any:
    """An array of numbers from a data frame of pandas or polars, or a table of Arrow; anything else as it is."""
    if hasattr(targets, "column_names") and hasattr(targets, "column"):  # Arrow
        columns = [np.asarray(targets.column(name).to_numpy()) for name in targets.column_names]
        return np.column_stack(columns) if columns else np.zeros((targets.num_rows, 0))
    if hasattr(targets, "columns") and hasattr(targets, "to_numpy"):
        if hasattr(targets, "dtypes") and hasattr(targets, "iloc"):  # pandas: its nullable types hold pd.NA
            plain = all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in targets.dtypes)
            return targets.to_numpy() if plain else targets.to_numpy(dtype=np.float64, na_value=np.nan)
        return targets.to_numpy()
    return targets


def _from_sparse(targets: Any) -> SparseLabels:
    matrix = targets.tocsr(copy=True)
    if matrix.ndim != 2:
        raise ValueError(f"targets must have shape (batch, num_labels), got {matrix.ndim} dimensions: {matrix.shape}")
    matrix.sum_duplicates()
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"targets must be bool, integer or floating point, got {matrix.dtype}")
    values = matrix.data
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # NaN too: a sparse matrix has no missing entry
        raise ValueError(f"targets must lie in [0, 1], got values from {values.min()} to {values.max()}")
    positive = values if values.dtype == np.bool_ else (values > 0 if values.dtype.kind in "iu" else values >= 0.5)
    matrix.data = positive.astype(np.int8)
    matrix.eliminate_zeros()
    return SparseLabels(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.shape[1])
