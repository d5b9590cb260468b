"""How sure the differences between two tables are: of phi, of log odds ratios, and of how often labels are present."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.evidence import estimate_phi, phi_coefficients
from obrl.mining.accumulate import TableCounts
from obrl.mining.changes.tails import normal_test
from obrl.mining.jackknife import pairs_of
from obrl.mining.pair_table import jackknife_of_groups
from obrl.mining.student import t_quantile, t_test
from obrl.significance import FEWEST_JOINT

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

ENDLESS = 1e6
"""Degrees of freedom with which Student's t is the normal distribution."""


class PhiSide(NamedTuple):
    """One table's pairs, one entry a pair.

    Attributes:
        pairs: the counts, float64.
        phi: NaN where a label is constant.
        standard_error: of phi.
        ratio: how much larger its standard error is for dependent rows than for independent ones, at least 1.
        degrees: degrees of freedom of that standard error; `ENDLESS` for independent rows.
        grouped: whether that is the jackknife's, over groups of rows.
    """

    pairs: PairCounts
    phi: FloatArray
    standard_error: FloatArray
    ratio: FloatArray
    degrees: FloatArray
    grouped: bool


class PhiDifference(NamedTuple):
    """What two tables say of each pair, one entry a pair.

    Attributes:
        standard_error: of the difference of phi.
        degrees: degrees of freedom of the test, whole numbers.
        z: the difference over its standard error; with groups a t.
        p: two-sided; NaN where phi is undefined on a side.
        supported: whether both tables have rows enough to say anything.
    """

    standard_error: FloatArray
    degrees: FloatArray
    z: FloatArray
    p: FloatArray
    supported: npt.NDArray[np.bool_]

    def reach(self, level: float = 0.95) -> FloatArray:
        """Half the width of the interval of the difference."""
        endless = self.degrees >= ENDLESS
        quantile = np.full(self.degrees.shape, NormalDist().inv_cdf((1 + level) / 2))
        quantile[~endless] = t_quantile(level, self.degrees[~endless])
        return np.where(np.isnan(self.p), np.nan, quantile * self.standard_error)


def phi_side(table: TableCounts, i: Indices, j: Indices) -> PhiSide:
    """Phi of the pairs (i, j) of a table; of one with groups, with what the jackknife over them says."""
    pairs = pairs_of(table.counts, i, j)
    ratio, degrees = np.ones(len(i)), np.full(len(i), ENDLESS)
    sure = jackknife_of_groups(table, i, j)
    if sure is not None:  # NaN stays: a label in a single group says nothing
        ratio, degrees = np.maximum(sure.ratio, 1), np.maximum(sure.degrees, 1)
    error = ratio * estimate_phi(pairs).standard_error
    return PhiSide(pairs, phi_coefficients(pairs), error, ratio, degrees, sure is not None)


def at_phi(counts: PairCounts, phi: FloatArray) -> PairCounts:
    """Tables with the same margins, and as many joint occurrences as this phi needs, as far as the margins allow."""
    n, _, r, c = counts
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.where(n > 0, (r * c + phi * np.sqrt(r * (n - r) * c * (n - c))) / n, 0.0)
    return PairCounts(n, np.clip(both, np.maximum(r + c - n, 0), np.minimum(r, c)), r, c)


def joint_rows(counts: PairCounts, common: PairCounts) -> FloatArray:
    """Joint occurrences to expect: if the labels were unrelated, or if phi were the common one; the larger."""
    with np.errstate(divide="ignore", invalid="ignore"):
        unrelated = np.where(counts.n > 0, counts.r * counts.c / counts.n, 0.0)
    return np.maximum(unrelated, common.s)


def phi_difference(a: PhiSide, b: PhiSide) -> PhiDifference:
    """Test whether two tables have the same phi, pair by pair.

    The variance on each side is that of the delta method with 1/2 added to each cell, taken once at the side's counts
    (Wald) and once at the phi that both sides have in common (score); the larger sum counts. Wald's alone finds
    differences between rare labels of tables of unequal size where there are none: a cell that is empty by chance
    looks sure. On either side five joint occurrences must be expected, if the labels were unrelated or under the
    common phi. With groups each side's standard error grows by the jackknife's ratio, and the test is Welch's t.
    """
    common = (a.pairs.n * np.nan_to_num(a.phi) + b.pairs.n * np.nan_to_num(b.phi)) / np.maximum(
        a.pairs.n + b.pairs.n, 1
    )
    expected = [at_phi(side.pairs, common) for side in (a, b)]
    wald = [side.standard_error**2 for side in (a, b)]
    score = [(side.ratio * estimate_phi(at).standard_error) ** 2 for side, at in zip((a, b), expected, strict=True)]
    larger = score[0] + score[1] > wald[0] + wald[1]
    variances = [np.where(larger, s, w) for s, w in zip(score, wald, strict=True)]
    degrees = _welch(variances, (a.degrees, b.degrees))
    error = np.sqrt(variances[0] + variances[1])
    z = (b.phi - a.phi) / error
    joint = [joint_rows(side.pairs, at) for side, at in zip((a, b), expected, strict=True)]
    supported = (np.minimum(*joint) >= FEWEST_JOINT) & ~np.isnan(z)
    return PhiDifference(error, degrees, z, _tested(z, degrees), supported)


def _welch(variances: Sequence[FloatArray], degrees: Sequence[FloatArray]) -> FloatArray:
    """The degrees of freedom of a difference by Welch and Satterthwaite, whole, so that few quantiles are needed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = sum(variance**2 / freedom for variance, freedom in zip(variances, degrees, strict=True))
        joint = (variances[0] + variances[1]) ** 2 / parts
    return np.where(np.isnan(joint), 1.0, np.floor(joint))


def _tested(z: FloatArray, degrees: FloatArray) -> FloatArray:
    """The two-sided p by Student's t, or by the normal distribution where the degrees are endless."""
    endless = degrees >= ENDLESS
    p = np.empty(z.shape)
    p[endless] = normal_test(z[endless])
    p[~endless] = t_test(z[~endless], degrees[~endless])
    return p


def log_odds(counts: PairCounts) -> tuple[FloatArray, FloatArray]:
    """The log odds ratio of each pair with 1/2 added to each cell, and its standard error for independent rows.

    Source: Haldane, The estimation and significance of the logarithm of a ratio of frequencies, 1956.
    """
    n, s, r, c = counts
    cells = [np.maximum(cell, 0) + 0.5 for cell in (s, n - r - c + s, r - s, c - s)]
    value = np.log(cells[0]) + np.log(cells[1]) - np.log(cells[2]) - np.log(cells[3])
    return value, np.sqrt(sum(1 / cell for cell in cells))


def log_odds_p(a: PhiSide, b: PhiSide) -> FloatArray:
    """The two-sided p that both tables have the same odds ratio, pair by pair; NaN where phi is undefined.

    With groups each side's standard error grows by the ratio of the jackknife of phi, and the test is Welch's t.
    """
    (value_a, error_a), (value_b, error_b) = log_odds(a.pairs), log_odds(b.pairs)
    variances = [(side.ratio * error) ** 2 for side, error in ((a, error_a), (b, error_b))]
    z = (value_b - value_a) / np.sqrt(variances[0] + variances[1])
    undefined = np.isnan(a.phi) | np.isnan(b.phi)
    return _tested(np.where(undefined, np.nan, z), _welch(variances, (a.degrees, b.degrees)))


def rates_p(a: TableCounts, b: TableCounts) -> FloatArray:
    """The two-sided p that labels are present equally often in both tables, (num_labels,); NaN where never known.

    The variance of a share is p (1 - p) / n, or with groups that of a ratio over the parts of the rows, if larger; then
    the test is Welch's t with a degree less than there are parts. NaN also for a label that a single part knows.
    """
    sides = [rate_variance(table) for table in (a, b)]
    variances, degrees = zip(*sides, strict=True)
    return _tested((b.rates - a.rates) / np.sqrt(variances[0] + variances[1]), _welch(variances, degrees))


def rate_variance(table: TableCounts) -> tuple[FloatArray, FloatArray]:
    """The variance of how often each label is present, and its degrees of freedom, (num_labels,) each."""
    known = np.maximum(table.counts.n.diagonal().astype(np.float64), 1)
    present = table.counts.s.diagonal()
    variance = share_variance(known, present)
    endless = np.full(len(variance), ENDLESS)
    if not table.grouped or table.groups is None or len(table.groups.s) < 2:
        return variance, endless
    shape = table.groups.s.shape
    sizes, sums = (np.broadcast_to(f, shape).diagonal(axis1=1, axis2=2) for f in (table.groups.n, table.groups.s))
    deviations = sums - present / known * sizes
    parts = (sizes > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_parts = np.where(parts > 1, parts / (parts - 1), np.nan) * (deviations**2).sum(axis=0) / known**2
    return np.maximum(variance, of_parts), np.maximum(parts - 1.0, 1.0)


def share_variance(known: npt.ArrayLike, present: npt.ArrayLike) -> FloatArray:
    """The variance of the share of `known` independent rows that are present, with 1/2 added to either side."""
    rows = np.maximum(np.asarray(known, np.float64), 1)
    share = (np.asarray(present, np.float64) + 0.5) / (rows + 1)
    return share * (1 - share) / rows
