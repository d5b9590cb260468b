"""Which pairs drift over the parts of a table, or moved most while a model trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.errors import check_choice
from obrl.evidence import estimate_phi, phi_coefficients
from obrl.history import History
from obrl.measures import MEASURES
from obrl.mining.changes.differences import at_phi, joint_rows
from obrl.mining.changes.tails import chi_square_test
from obrl.mining.jackknife import pairs_of
from obrl.mining.pair_table import CORRECTIONS
from obrl.significance import FEWEST_JOINT

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

ENOUGH = 0.8
"""The share of a pair's rows that must lie in parts with joint rows enough."""
FEWEST_A_PART = 2
"""Joint rows in the mean over the parts; with fewer, parts are merged before they are looked at."""


@dataclass(frozen=True, slots=True)
class OverTime:
    """All pairs of a history, one entry each: i < j, or in a run with a measure that has a direction both directions.

    A table's values are phi, which has none, whatever the measure.

    Attributes:
        i: index of the first label.
        j: index of the second.
        first: phi in the first part that says something of the pair, float64; without counts, and where phi does not
            follow from the measure, the relation on its scale. NaN where it is never defined.
        last: the same in the last such part.
        least: the smallest.
        greatest: the largest.
        statistic: Cochran's Q of phi over the parts; NaN without counts.
        degrees: its degrees of freedom, int64.
        p: that phi is the same in all parts; NaN where not supported.
        q: the share of false discoveries among all pairs with a p at most as large.
        supported: whether parts, or neighbours merged into larger ones, have rows enough to test the pair; bool.
        scale: `"phi"`, or the measure that the values are on.
        tested: whether the history holds counts.
        history: what this is about.
    """

    i: Indices
    j: Indices
    first: FloatArray
    last: FloatArray
    least: FloatArray
    greatest: FloatArray
    statistic: FloatArray
    degrees: npt.NDArray[np.int64]
    p: FloatArray
    q: FloatArray
    supported: npt.NDArray[np.bool_]
    scale: str
    tested: bool
    history: History

    def __len__(self) -> int:
        return len(self.i)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, or the labels' numbers where they have none."""
        names = self.history.label_names
        return tuple(map(str, range(self.history.num_labels))) if names is None else names

    @property
    def range(self) -> FloatArray:
        """How far apart the largest and the smallest value are."""
        return self.greatest - self.least

    def drifts(self, q: float = 0.05) -> npt.NDArray[np.bool_]:
        """The pairs whose phi is not the same in all parts: supported, with a q at most as large as this; bool."""
        return self.supported & (self.q <= q)

    def order(self) -> npt.NDArray[np.intp]:
        """The positions of all pairs: those whose value moved furthest first, undefined ones last."""
        return np.argsort(-self.range, kind="stable")

    def __str__(self) -> str:
        from obrl.mining.changes.over_time_words import summary

        return summary(self)


def over_time(history: History, *, correction: str = "bh") -> OverTime:
    """Say which pairs of a history drift.

    Of a table, each pair's phi over T consecutive parts is tested with Cochran's Q, the sum over the parts of
    (phi_t - mean)^2 / v_t with the mean weighted by 1 / v_t, a chi-square with T - 1 degrees of freedom if phi is the
    same in all parts. v_t is the variance of the delta method for the part's margins and the phi of the whole table,
    since the part's own phi makes rare pairs look sure; with groups it is multiplied by the square of the jackknife's
    ratio. A part counts where at least five joint rows are expected in it; where fewer than 80 % of a pair's rows lie
    in such parts, neighbours are merged in pairs until they do, and in the end into the halves of the rows.

    Args:
        history: of a table, or of training, whose snapshots depend on each other and give no test.
        correction: for the number of pairs: `"bh"`, Benjamini-Hochberg, or `"by"`, Benjamini-Yekutieli.

    Returns:
        All pairs; printing it says in words what drifts.

    Raises:
        ValueError: another correction, or a history without a step.

    Example:
        >>> from obrl.mining import RelationMiner
        >>> rng = np.random.default_rng(2)
        >>> hat = rng.random(4000) < 0.5
        >>> cap = hat ^ (rng.random(4000) < np.linspace(0.05, 0.5, 4000))  # less and less related
        >>> miner = RelationMiner(history=8).fit(np.column_stack([hat, cap, rng.random(4000) < 0.5]))
        >>> over_time(miner.history_).drifts().tolist()  # of (0, 1), (0, 2) and (1, 2)
        [True, False, False]

    Source: Cochran, The combination of estimates from different experiments, Biometrics 1954.
    """
    check_choice("correction", correction, tuple(CORRECTIONS))
    if not len(history):
        raise ValueError("expected a history with at least one step, got none")
    if history.counts is None:
        return _of_snapshots(history)
    i, j = np.triu_indices(history.num_labels, 1)
    result = _Columns(len(i))
    ratio = np.ones(len(i)) if history.error_ratio is None else history.error_ratio[i, j].astype(np.float64)
    parts, waiting = history.counts, np.arange(len(i))
    whole = pairs_of(PairCounts(*(field.sum(axis=0, dtype=np.int64) for field in parts)), i, j)
    pooled, joint = phi_coefficients(whole), joint_rows(whole, whole)
    while True:
        tried = joint[waiting] >= FEWEST_A_PART * len(parts.s)  # fewer hardly ever suffice, and walking takes long
        at = waiting[tried]
        walk = _Walk(pooled[at], ratio[at])
        for number in range(len(parts.s)):
            walk.add(pairs_of(PairCounts(*(field[number] for field in parts)), i[at], j[at]))
        waiting = np.concatenate([waiting[~tried], at[~result.fill(walk, at)]])
        if not len(waiting) or len(parts.s) <= 2:
            break
        parts = _merged(parts, history.counts)
    p = np.where(np.isnan(result.statistic), np.nan, 1.0)
    for degrees in np.unique(result.degrees[result.supported]).tolist():
        at = result.supported & (result.degrees == degrees)
        p[at] = chi_square_test(result.statistic[at], degrees)
    return OverTime(
        i=i,
        j=j,
        first=result.first,
        last=result.last,
        least=result.least,
        greatest=result.greatest,
        statistic=result.statistic,
        degrees=result.degrees,
        p=p,
        q=CORRECTIONS[correction](p),
        supported=result.supported,
        scale="phi",
        tested=True,
        history=history,
    )


class _Columns:
    """The columns that come from walking over the parts, filled pair by pair.

    Args:
        size: the number of pairs.
    """

    def __init__(self, size: int) -> None:
        self.first, self.last, self.least, self.greatest, self.statistic = (np.full(size, np.nan) for _ in range(5))
        self.degrees = np.zeros(size, np.int64)
        self.supported = np.zeros(size, np.bool_)

    def fill(self, walk: _Walk, which: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """Fill in the pairs `which` that the walk has rows enough for; return which of them those are."""
        done = (walk.used >= 2) & (walk.usable_rows >= ENOUGH * walk.rows)
        at = which[done]
        with np.errstate(invalid="ignore", divide="ignore"):
            self.statistic[at] = np.maximum(walk.squares - walk.sums**2 / walk.weights, 0)[done]  # Cochran's Q
        for name in ("first", "last", "least", "greatest"):
            getattr(self, name)[at] = getattr(walk, name)[done]
        self.degrees[at] = walk.used[done] - 1
        self.supported[at] = True
        return done


class _Walk:
    """What some pairs are like in each part, summed up part by part.

    Args:
        pooled: phi of the whole table.
        ratio: of the standard error for dependent rows to that for independent ones.
    """

    def __init__(self, pooled: FloatArray, ratio: FloatArray) -> None:
        self.pooled, self.ratio = pooled, ratio
        size = len(pooled)
        self.first, self.last, self.least, self.greatest = (np.full(size, np.nan) for _ in range(4))
        self.weights, self.sums, self.squares, self.rows, self.usable_rows = (np.zeros(size) for _ in range(5))
        self.used = np.zeros(size, np.int64)

    def add(self, part: PairCounts) -> None:
        """Take in the pairs' counts of the next part."""
        phi, expected = phi_coefficients(part), at_phi(part, self.pooled)
        variance = (self.ratio * estimate_phi(expected).standard_error) ** 2
        usable = ~np.isnan(phi + variance) & (joint_rows(part, expected) >= FEWEST_JOINT)
        self.rows += np.where(np.isnan(phi), 0, part.n)
        self.usable_rows += np.where(usable, part.n, 0)
        self.used += usable
        weight, value = np.where(usable, 1 / variance, 0.0), np.where(usable, phi, np.nan)
        self.weights += weight
        self.sums += weight * np.nan_to_num(value)
        self.squares += weight * np.nan_to_num(value) ** 2
        self.first = np.where(np.isnan(self.first), value, self.first)
        self.last = np.where(usable, value, self.last)
        self.least, self.greatest = np.fmin(self.least, value), np.fmax(self.greatest, value)


def _merged(parts: PairCounts, whole: PairCounts) -> PairCounts:
    """Neighbouring parts added in pairs, the last of an odd number to the pair before; halves of `whole` in the end."""
    if len(parts.s) < 6:  # pairs of three would leave a single part, those of five two of unequal size
        parts, starts = whole, np.array([0, len(whole.s) // 2])
    else:
        starts = np.arange(0, len(parts.s) - len(parts.s) % 2, 2)
    return PairCounts(*(np.add.reduceat(field, starts, axis=0, dtype=np.int64) for field in parts))


def values_over_time(history: History, i: Indices, j: Indices) -> FloatArray:
    """Phi of the pairs (i, j) at each step, (steps, pairs) float64, NaN where undefined.

    Of a run whose measure phi does not follow from it is the relation, on the measure's scale.
    """
    if history.counts is not None:
        parts = (PairCounts(*(field[number] for field in history.counts)) for number in range(len(history)))
        return np.array([phi_coefficients(pairs_of(part, i, j)) for part in parts])
    to_phi = MEASURES[history.measure].to_phi
    values = np.array([history.at(step, i, j) for step in range(len(history))], np.float64)
    return values if to_phi is None else np.asarray(to_phi(values))  # type: ignore[arg-type]


def _of_snapshots(history: History) -> OverTime:
    """The values of a history of training; no test."""
    measure = MEASURES[history.measure]
    off_diagonal = ~np.eye(history.num_labels, dtype=np.bool_)
    i, j = np.triu_indices(history.num_labels, 1) if measure.symmetric else np.nonzero(off_diagonal)
    values = values_over_time(history, i, j)
    known = ~np.isnan(values)
    ever = known.any(axis=0)
    columns = np.arange(len(i))
    first = np.where(ever, values[known.argmax(axis=0), columns], np.nan)
    last = np.where(ever, values[len(values) - 1 - known[::-1].argmax(axis=0), columns], np.nan)
    unknown = np.full(len(i), np.nan)
    return OverTime(
        i=i,
        j=j,
        first=first,
        last=last,
        least=np.fmin.reduce(values, axis=0),
        greatest=np.fmax.reduce(values, axis=0),
        statistic=unknown,
        degrees=np.zeros(len(i), np.int64),
        p=unknown,
        q=unknown,
        supported=np.zeros(len(i), np.bool_),
        scale=history.measure if measure.to_phi is None else "phi",
        tested=False,
        history=history,
    )
