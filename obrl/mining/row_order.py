"""Whether the order of a table's rows says something: of neighbours that are alike, of sorted rows, of a drift."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.evidence import phi_coefficients
from obrl.mining.accumulate import TableCounts
from obrl.mining.changes.tails import chi_square_test
from obrl.mining.errors import MiningWarning
from obrl.mining.jackknife import FloatArray, Indices, jackknife, pairs_of
from obrl.significance import FEWEST_JOINT

ORDERED_RATIO = 1.5
"""Intervals that are narrower than they should be by a larger factor are warned of."""
SORTED_SHARE = 0.5
ROWS_A_PART = 10
"""With fewer rows a part, chance alone puts much of a label's variance between the parts."""
FEWEST_PARTS = 16
"""With fewer parts the ratio to the naive standard error says little about the order of the rows."""
FEWEST_A_PART = 2
"""Rows in the mean over the parts that must be there for each count; a chi-square says nothing of rarer ones."""
CHANCE = 0.001
"""How probable it may be that chance lets one label of all, or one pair of all, vary so much."""


class Varying(NamedTuple):
    """What varies over the parts far beyond chance, those that vary most first.

    Attributes:
        labels: indices.
        tested_labels: how many labels have rows enough to be tested.
        i: the first label of each pair.
        j: the second.
        tested_pairs: as for labels.
    """

    labels: Indices
    tested_labels: int
    i: Indices
    j: Indices
    tested_pairs: int


class RowOrder(NamedTuple):
    """What the order of a table's rows says of how they depend on each other.

    Attributes:
        ratio: the median, over the pairs that occur together five times or more, of the jackknife's standard error
            over that for independent rows; None where the parts are groups, are fewer than 16, or no pair occurs so
            often.
        label: the label that the rows are sorted by: more than half of its variance lies between the parts; or None.
        varying: labels whose share, and pairs whose phi, differ between the parts; None as for `ratio`.
    """

    ratio: float | None
    label: int | None
    varying: Varying | None

    def in_words(self, table: TableCounts) -> str | None:
        """What is the matter with the order of the rows, and what to do; None where nothing is.

        Args:
            table: the counts.
        """
        dependent = self.ratio is not None and self.ratio > ORDERED_RATIO
        varies = self.varying is not None and (len(self.varying.labels) or len(self.varying.i))
        if not dependent and self.label is None and not varies:
            return None
        parts = ["rows are ordered"]
        if self.label is not None:
            parts[0] = f"rows are sorted by the label {_name(table, self.label)}"
        elif self.varying is not None and varies:
            parts[0] += f": {_variation(table, self.varying)}"
        if dependent:
            alone = self.label is None
            cause = "as neighbours resemble each other" if alone else "if neighbours also depend on each other"
            parts.append(
                f"{cause}, relations are {self.ratio:.1f} times less sure than intervals and q-values for independent "
                "rows say: then name what groups the rows (--groups)"
            )
        elif self.label is None:
            parts.append(
                "if neighbours belong together, name what groups the rows (--groups); if the labels change over the "
                "rows, --history says when"
            )
        parts.append("below decay 1 the last rows decide, unless you shuffle the rows")
        return "; ".join(parts)


def row_order(table: TableCounts) -> RowOrder:
    """What the parts of consecutive rows say of their order.

    All is None with groups, with fewer than 16 parts, or with so many labels that the counts of parts are not stored.

    The statistic of a label is the chi-square of its share over the parts. That of a pair is ratio^2 times the degrees
    of freedom, with ratio the jackknife's standard error over that for independent rows. A label or pair varies if its
    statistic exceeds 1.5^2 times its degrees of freedom, and its p times the number of labels or pairs tested is at
    most 0.001.
    """
    if table.grouped or table.groups is None or len(table.groups.s) < FEWEST_PARTS:
        return RowOrder(None, None, None)
    i, j = np.nonzero(np.triu(table.counts.s >= FEWEST_JOINT, 1))
    result = jackknife(table, i, j)
    if result is None:
        return RowOrder(None, None, None)
    known, present = _shares(table.groups)
    total = known.sum(axis=0)
    rate = present.sum(axis=0) / np.maximum(total, 1)
    variance = rate * (1 - rate)
    between = (present - known * rate) ** 2 / np.maximum(known, 1)
    enough = total * np.minimum(rate, 1 - rate) >= FEWEST_A_PART * len(known)
    labels = _beyond_chance(
        np.where(enough, between.sum(axis=0) / np.maximum(variance, 1e-300), np.nan), (known > 0).sum(axis=0) - 1
    )
    pairs = pairs_of(table.counts, i, j)
    enough_pairs = pairs.r * pairs.c >= FEWEST_A_PART * len(known) * pairs.n
    degrees = result.degrees
    which = _beyond_chance(np.where(enough_pairs, result.ratio**2 * degrees, np.nan), degrees.astype(np.int64))
    varying = Varying(labels, int(enough.sum()), i[which], j[which], int(enough_pairs.sum()))
    ratios = result.ratio[~np.isnan(result.ratio)]
    median = float(np.median(ratios)) if len(ratios) else None
    return RowOrder(median, _sorted_by(table, between.sum(axis=0), total * variance), varying)


def warn_of_order(table: TableCounts) -> RowOrder:
    """Warn where the order of the rows matters, with the words of `RowOrder.in_words`.

    Args:
        table: counts with parts of consecutive rows.

    Returns:
        The order.

    Warns:
        MiningWarning: the median ratio is above 1.5; the rows are sorted by a label; or a label or a pair varies over
            the rows far beyond chance.
    """
    order = row_order(table)
    words = order.in_words(table)
    if words is not None:
        warnings.warn(words, MiningWarning, stacklevel=2)
    return order


def _shares(groups: PairCounts) -> tuple[FloatArray, FloatArray]:
    """The rows that know each label and those that have it, (parts, num_labels) float64."""
    shape = groups.s.shape
    known, present = (
        np.diagonal(np.broadcast_to(field, shape), axis1=1, axis2=2).astype(np.float64)
        for field in (groups.n, groups.s)
    )
    return known, present


def _beyond_chance(statistic: FloatArray, degrees: npt.NDArray[np.int64]) -> Indices:
    """The positions of the statistics that chance does not explain, the largest for its degrees of freedom first."""
    tested = ~np.isnan(statistic) & (degrees > 0)
    large = np.flatnonzero(tested & (statistic > ORDERED_RATIO**2 * degrees))
    p = np.array([float(chi_square_test(statistic[at], int(degrees[at]))) for at in large.tolist()])
    sure = large[p * tested.sum() <= CHANCE]
    return sure[np.argsort(-statistic[sure] / degrees[sure], kind="stable")]


def _sorted_by(table: TableCounts, between: FloatArray, total: FloatArray) -> int | None:
    """The label of whose variance most lies between consecutive parts of the rows, if that is more than half."""
    if table.groups is None or table.rows < ROWS_A_PART * len(table.groups.s):
        return None
    common = np.diagonal(table.counts.s) >= FEWEST_JOINT
    share = np.where(common, between / np.maximum(total, 1e-300), 0.0)
    label = int(share.argmax())
    return label if share[label] > SORTED_SHARE else None


def _variation(table: TableCounts, varying: Varying) -> str:
    """The label and the pair that vary most, and how many do."""
    assert table.groups is not None
    words, numbers = [], []
    if len(varying.labels):
        label = int(varying.labels[0])
        known, present = (field[:, label] for field in _shares(table.groups))
        rates = present[known > 0] / known[known > 0]
        words.append(
            f"{_name(table, label)} is present in {_percent(rates.min())} to {_percent(rates.max())} of the rows"
        )
        numbers.append(f"{len(varying.labels):,} of {varying.tested_labels:,} labels")
    if len(varying.i):
        i, j = int(varying.i[0]), int(varying.j[0])
        shape = table.groups.s.shape
        parts = PairCounts(*(np.broadcast_to(field, shape)[:, i, j].astype(np.float64) for field in table.groups))
        phi = phi_coefficients(parts)
        names = f"{_name(table, i)} and {_name(table, j)}"
        words.append(f"phi of {names} is {np.nanmin(phi):+.2f} to {np.nanmax(phi):+.2f}")
        numbers.append(f"{len(varying.i):,} of {varying.tested_pairs:,} pairs")
    vary = "varies" if len(varying.labels) + len(varying.i) == 1 else "vary"
    return (
        f"over {len(table.groups.s)} consecutive parts {' and '.join(words)}; "
        f"{' and '.join(numbers)} {vary} far beyond chance"
    )


def _name(table: TableCounts, label: int) -> str:
    return repr(label if table.label_names is None else table.label_names[label])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
