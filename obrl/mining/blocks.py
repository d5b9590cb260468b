"""What every reader of tables yields: a block of consecutive rows, in one of two forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MISSING = -1
"""The code of a missing label; 1 is present and 0 absent, whatever coding the file uses."""
ROWS_PER_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class DenseLabels:
    """The labels of a block, one array row for each label, so that a label's entries lie together in memory.

    Attributes:
        codes: (num_labels, rows), int8: 1, 0 or `MISSING`.
        complete: whether no code is `MISSING`, which makes counting cheaper.
    """

    codes: npt.NDArray[np.int8]
    complete: bool

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.codes.shape[1]

    @property
    def num_labels(self) -> int:
        """M."""
        return len(self.codes)


@dataclass(frozen=True, slots=True)
class SparseLabels:
    """The labels of a block as compressed sparse rows, without missing entries.

    Attributes:
        indptr: (rows + 1,), int64; row k's labels are `indices[indptr[k]:indptr[k + 1]]`.
        indices: int32, the labels present in each row, ascending and without duplicates within a row.
        num_labels: M.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    num_labels: int

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.indptr) - 1


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of one file.

    Attributes:
        labels: dense or sparse.
        rows: how many rows.
        file: the file as the user named it.
        first_row: the data row of the first one in its file, counted from 1 after the header.
        read: the share of the whole input that has been read up to the end of this block, in [0, 1]; None if unknown.
        columns: further columns that the caller asked for (`id`, `groups` and `keep` of `TableOptions`), (rows,) str.
    """

    labels: DenseLabels | SparseLabels
    rows: int
    file: str
    first_row: int
    read: float | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
