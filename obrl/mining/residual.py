r"""What the other labels of a row say of a label: the best linear expectation, from pair counts.

With Q the inverse of the shrunk correlations and u the standardised labels, 0 where unknown,

    E[y_j | others] = p_j + sigma_j (u_j - (Q u)_j / Q_jj),

in which u_j cancels. Without shrinkage, on the rows that were counted, y - E is the residual of the least-squares
regression of each label on all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from obrl.conditional import shrunk
from obrl.counts import PairCounts
from obrl.evidence import phi_coefficients
from obrl.mining.blocks import MISSING, DenseLabels, SparseLabels
from obrl.mining.shrinkage import correlation_variances, estimated_shrinkage

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
ENTRIES_AT_ONCE = 2**22
"""So many entries of a table are held as floating-point numbers at a time."""


@dataclass(frozen=True, slots=True)
class Residual:
    """The expectation of each label given the others.

    Attributes:
        rates: (num_labels,), the share of rows in which each label is present; 0.5 for one that is never known.
        deviations: (num_labels,), sqrt(rate (1 - rate)).
        precision: (num_labels, num_labels), the inverse of the shrunk correlations.
        shrinkage: the share of the identity matrix in these.
    """

    rates: FloatArray
    deviations: FloatArray
    precision: FloatArray
    shrinkage: float

    @classmethod
    def from_counts(cls, counts: PairCounts, *, shrinkage: float | None = None) -> Residual:
        """The expectation from counts.

        Args:
            counts: of the table, each field (num_labels, num_labels).
            shrinkage: in [0, 1]; None for the estimate of `estimated_shrinkage`.

        Example:
            >>> from obrl import count_pairs
            >>> counts = count_pairs([[1, 1], [1, 1], [1, 0], [0, 0]])
            >>> residual = Residual.from_counts(counts, shrinkage=0.0)
            >>> residual.expected(np.array([[0.0, 1.0]]), np.array([[True, True]])).round(2)[0, 0]
            np.float64(1.0)
        """
        exact = PairCounts(*(np.asarray(field, np.float64) for field in counts))
        phi = phi_coefficients(exact)
        if shrinkage is None:
            shrinkage = estimated_shrinkage(phi, correlation_variances(exact))
        known, present = exact.n.diagonal(), exact.s.diagonal()
        rates: FloatArray = np.divide(present, known, out=np.full(len(known), 0.5), where=known > 0)
        precision = np.linalg.inv(shrunk(phi, shrinkage))
        return cls(rates, np.sqrt(rates * (1 - rates)), precision.astype(np.float64), shrinkage)

    def expected(self, values: FloatArray, known: BoolArray) -> FloatArray:
        """E[y | the other known labels of the row], (rows, num_labels); it may lie a little outside [0, 1].

        Args:
            values: (rows, num_labels), 0 or 1; what stands at unknown entries does not matter.
            known: (rows, num_labels).
        """
        u = self.standardised(values, known)
        return self.rates + self.deviations * (u - (u @ self.precision) / self.precision.diagonal())

    def standardised(self, values: FloatArray, known: BoolArray) -> FloatArray:
        """The labels with mean 0 and variance 1 over the table; 0 for unknown entries and constant labels."""
        scale = np.divide(1.0, self.deviations, out=np.zeros_like(self.deviations), where=self.deviations > 0)
        return np.where(known, (values - self.rates) * scale, 0.0)

    def contributions(self, values: FloatArray, known: BoolArray, labels: npt.NDArray[np.intp]) -> FloatArray:
        """By how much each other label raises the expectation of one label a row.

        Args:
            values: (rows, num_labels).
            known: (rows, num_labels).
            labels: (rows,), which label of each row.

        Returns:
            (rows, num_labels), which sums to E - rate over a row; 0 for the label itself.
        """
        weights = -self.precision[labels] * (self.deviations[labels] / self.precision[labels, labels])[:, None]
        weights[np.arange(len(labels)), labels] = 0.0
        return weights * self.standardised(values, known)


def row_chunks(labels: DenseLabels | SparseLabels) -> list[slice]:
    """Slices of the rows of a block that are small enough to be held as floating-point numbers."""
    step = max(1, ENTRIES_AT_ONCE // max(labels.num_labels, 1))
    return [slice(start, min(start + step, labels.rows)) for start in range(0, labels.rows, step)]


def dense_rows(labels: DenseLabels | SparseLabels, rows: slice) -> tuple[FloatArray, BoolArray]:
    """Some rows of a block: values (rows, num_labels) float64, 0 or 1, and which are known."""
    if isinstance(labels, DenseLabels):
        codes = labels.codes[:, rows].T
        known = codes != MISSING
        return np.where(known, codes, 0).astype(np.float64), known
    starts = labels.indptr[rows.start : rows.stop + 1]
    values = np.zeros((len(starts) - 1, labels.num_labels))
    values[np.repeat(np.arange(len(values)), np.diff(starts)), labels.indices[starts[0] : starts[-1]]] = 1.0
    return values, np.ones(values.shape, bool)
