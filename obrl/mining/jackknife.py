"""How sure phi is where rows depend on each other: parts of the rows are left out, one at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.evidence import estimate_phi, phi_coefficients
from obrl.mining.accumulate import MOST_LABELS_WITH_PARTS, TableCounts, without
from obrl.mining.student import t_quantile, t_test

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

FEWEST_GROUPS = 20
"""On fewer groups of rows intervals are rough, so that `pair_table` warns, and `assess` refuses."""


class Jackknife(NamedTuple):
    """What leaving out parts of the rows says of pairs; arrays of one entry a pair, NaN where it says nothing.

    Attributes:
        phi: of all rows.
        standard_error: of phi.
        degrees: degrees of freedom of its t: the parts with rows that know both labels, less 1.
        ratio: to the standard error for independent rows.
    """

    phi: FloatArray
    standard_error: FloatArray
    degrees: FloatArray
    ratio: FloatArray

    def p(self) -> FloatArray:
        """The two-sided p of phi = 0 by Student's t."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where((self.standard_error == 0) & (self.phi == 0), 0.0, self.phi / self.standard_error)
        return t_test(t, np.maximum(self.degrees, 1))

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """The ends of the interval of phi by Student's t, cut off at -1 and 1."""
        reach = t_quantile(level, np.maximum(self.degrees, 1)) * self.standard_error
        return np.clip(self.phi - reach, -1, 1), np.clip(self.phi + reach, -1, 1)


def jackknife(table: TableCounts, i: Indices, j: Indices) -> Jackknife | None:
    """The delete-a-group jackknife of phi, for parts of unequal size.

    With h = n / m for a part of m of n rows, D = (h - 1)(phi - phi without the part) and d the mean of D weighted by
    1 / h (times the number of parts), the variance is the mean over the parts of (D - d)^2 / (h - 1). For parts of
    equal size that is (parts - 1) / parts sum (phi without the part - their mean)^2.

    Args:
        table: counts with parts of the rows: whole groups, or consecutive rows.
        i: the first labels of the pairs.
        j: the second labels.

    Returns:
        One entry a pair; None where the table has less than two parts, or above 2,000 labels, where counts of parts
        would take gigabytes. NaN where phi is undefined, also where it is once a part is left out: a label that occurs
        in a single part says nothing about others.

    Rare labels that sit in few parts are judged a little too surely: with each label of 565 people's pictures, ten a
    person, permuted between people, the t test rejects 6 % of the pairs at .05, and 10 % of those with 5 to 20
    expected joint rows; the test for independent rows rejects 23 %.

    Source: Busing, Meijer and van der Leeden, Delete-m jackknife for unequal m, Statistics and Computing 1999.
    """
    if table.groups is None or len(table.groups.s) < 2 or table.num_labels > MOST_LABELS_WITH_PARTS:
        return None
    total = pairs_of(table.counts, i, j)
    phi = phi_coefficients(total)
    parts = np.zeros(len(i))
    weights, first, second, shift = (np.zeros(len(i)) for _ in range(4))
    shape = table.groups.s.shape
    groups = PairCounts(*(np.broadcast_to(field, shape) for field in table.groups))
    for part in range(shape[0]):
        inside = pairs_of(PairCounts(*(field[part] for field in groups)), i, j)
        some = inside.n > 0
        rest = without(total, inside)
        inverse = np.divide(inside.n, total.n, out=np.zeros(len(i)), where=some)  # 1 / h
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.where(some, (1 / inverse - 1) * (phi - phi_coefficients(rest)), 0.0)
            weight = np.where(some, inverse / (1 - inverse), 0.0)  # 1 / (h - 1)
            parts += some
            weights += weight
            first += weight * change
            second += weight * change**2
            shift += inverse * change
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (second - 2 * shift * first + shift**2 * weights) / parts
        error = np.sqrt(np.where(parts > 1, np.maximum(variance, 0), np.nan))
    return Jackknife(phi, error, parts - 1, error / estimate_phi(total).standard_error)


def pairs_of(counts: PairCounts, i: Indices, j: Indices) -> PairCounts:
    """The counts of the pairs (i, j), float64, one entry a pair."""
    shape = np.shape(counts.s)
    return PairCounts(*(np.broadcast_to(field, shape)[i, j].astype(np.float64) for field in counts))
