"""What changed between two tables: `compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from obrl.errors import check_choice
from obrl.mining.accumulate import TableCounts
from obrl.mining.changes.differences import log_odds, log_odds_p, phi_difference, phi_side, rates_p
from obrl.mining.changes.inversion import Inversion, inversions
from obrl.mining.changes.sides import Side, as_side, in_one_order
from obrl.mining.miner import RelationMiner
from obrl.mining.pair_table import CORRECTIONS
from obrl.relation import OnlineBatchRelation

FloatArray = npt.NDArray[np.float64]

CLEAR_SIGN = 3.0
"""Standard errors of phi from 0 with which a sign is clear."""
CLEAR_PHI = 0.1
"""The same for relations without counts, which have no standard errors."""


@dataclass(frozen=True, slots=True, repr=False)
class TableComparison:
    """All pairs i < j of two tables, A and B, one entry each; NaN where undefined.

    Attributes:
        i: index of the first label, int64.
        j: index of the second, int64.
        phi_a: phi in A, float64; NaN where a label is constant there.
        phi_b: phi in B.
        delta: phi_b - phi_a.
        delta_low: the lower end of its 95 % interval.
        delta_high: the upper end.
        z: delta over its standard error; with groups Student's t.
        p: two-sided, that phi is the same.
        q: the share of false discoveries among all supported pairs with a p at most as large; NaN where not supported.
        supported: whether both tables have rows enough to test the pair: five joint occurrences expected, if the
            labels were unrelated or under the phi that both have in common; bool.
        log_odds_a: the log odds ratio in A, with 1/2 added to each cell.
        log_odds_b: that in B.
        log_odds_p: two-sided, that the odds ratio is the same.
        samples_a: rows of A in which both labels are known, int64; 0 without counts.
        samples_b: those of B.
        both_a: rows of A in which both labels are 1, int64.
        both_b: those of B.
        rates_a: how often each label is present in A, (num_labels,) float64.
        rates_b: the same for B.
        rates_q: that a label is present equally often, by the same correction over all labels.
        inverted: labels whose pairs changed sign; see `obrl.mining.changes.inversion`.
        rows: the rows of A and of B; 0 without counts.
        tested: whether both sides have counts; else there are phi and delta alone.
        grouped: whether a side's intervals and tests are those for dependent rows, by a jackknife over groups.
        label_names: num_labels names, or None.
    """

    i: npt.NDArray[np.int64]
    j: npt.NDArray[np.int64]
    phi_a: FloatArray
    phi_b: FloatArray
    delta: FloatArray
    delta_low: FloatArray
    delta_high: FloatArray
    z: FloatArray
    p: FloatArray
    q: FloatArray
    supported: npt.NDArray[np.bool_]
    log_odds_a: FloatArray
    log_odds_b: FloatArray
    log_odds_p: FloatArray
    samples_a: npt.NDArray[np.int64]
    samples_b: npt.NDArray[np.int64]
    both_a: npt.NDArray[np.int64]
    both_b: npt.NDArray[np.int64]
    rates_a: FloatArray
    rates_b: FloatArray
    rates_q: FloatArray
    inverted: tuple[Inversion, ...]
    rows: tuple[int, int]
    tested: bool
    grouped: bool
    label_names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.i)

    @property
    def num_labels(self) -> int:
        """M."""
        return len(self.rates_a)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, or the labels' numbers where they have none."""
        return tuple(map(str, range(self.num_labels))) if self.label_names is None else self.label_names

    def changed(self, q: float = 0.05) -> npt.NDArray[np.bool_]:
        """The pairs whose phi changed: supported, with a q at most as large as this; bool."""
        return self.supported & (self.q <= q)

    def labels_changed(self, q: float = 0.05) -> npt.NDArray[np.bool_]:
        """The labels that are not present equally often, (num_labels,) bool."""
        return self.rates_q <= q

    def became_constant(self, q: float = 0.05) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """The labels that vary on one side alone, by more than chance: constant in A, and constant in B.

        A label that is rare on one side may be missing in few rows of the other; so its prevalence must have changed.

        Returns:
            Two of (num_labels,) bool.
        """
        in_a, in_b = (np.isin(rates, (0.0, 1.0)) for rates in (self.rates_a, self.rates_b))
        changed = self.labels_changed(q)
        return in_a & ~in_b & changed, in_b & ~in_a & changed

    def constant(self, q: float = 0.05) -> npt.NDArray[np.bool_]:
        """The pairs with a label of `became_constant`: what became of them cannot be tested; bool."""
        either = np.logical_or(*self.became_constant(q))
        return either[self.i] | either[self.j]

    @property
    def at_least(self) -> FloatArray:
        """The end of the interval of delta that is nearer 0, without its sign: phi changed at least so much."""
        return np.where(self.delta < 0, -self.delta_high, self.delta_low)

    def order(self) -> npt.NDArray[np.intp]:
        """The positions of all pairs, the surest and largest change first; undefined ones come last."""
        return np.lexsort((-np.abs(self.delta), -self.at_least if self.tested else -np.abs(self.delta)))

    def __repr__(self) -> str:
        from obrl.mining.changes.comparison_words import summary

        return summary(self)


def compare(
    a: RelationMiner | TableCounts | OnlineBatchRelation,
    b: RelationMiner | TableCounts | OnlineBatchRelation,
    *,
    labels: Sequence[str] | None = None,
    correction: str = "bh",
) -> TableComparison:
    """Say which pairs of labels relate otherwise in B than in A.

    Phi moves with how often labels are present, even where nothing else changes; hence odds ratios and rates stand
    beside it. With groups on a side its variances are those of the jackknife over groups, and the test is Student's t.

    Args:
        a: a miner, its `table_counts_`, or a relation without counts, as a loss has it.
        b: the same. Labels are matched by name, in any order. If a side has no names, they are matched by position;
            compare warns if the other side has names.
        labels: compare these alone, in this order.
        correction: for the number of pairs: `"bh"`, Benjamini-Hochberg, or `"by"`, Benjamini-Yekutieli.

    Returns:
        All pairs; printing it says in words what changed. Where a side has no counts, phi and delta alone.

    Raises:
        TypeError: something else on a side.
        ValueError: another correction; as MiningError labels that only one side has, or a relation whose measure phi
            does not follow from.

    Example:
        >>> from obrl.mining import RelationMiner
        >>> labels = [[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]] * 20
        >>> before = RelationMiner(label_names=["hat", "cap", "smile"]).fit(labels)
        >>> after = RelationMiner(label_names=["hat", "cap", "smile"]).fit([[a, 1 - b, c] for a, b, c in labels])
        >>> changes = compare(before, after)
        >>> changes.delta.tolist()  # of (hat, cap), (hat, smile) and (cap, smile)
        [-2.0, 0.0, 0.0]
        >>> changes.changed().tolist()
        [True, False, False]
    """
    check_choice("correction", correction, tuple(CORRECTIONS))
    one, other = in_one_order(as_side(a, "a"), as_side(b, "b"), labels)
    if one.counts is None or other.counts is None:
        return _without_test(one, other)
    return _with_test(one.counts, other.counts, CORRECTIONS[correction])


def _with_test(a: TableCounts, b: TableCounts, correct: Callable[[npt.ArrayLike], FloatArray]) -> TableComparison:
    """The comparison of two tables with counts."""
    i, j = np.triu_indices(a.num_labels, 1)
    side_a, side_b = phi_side(a, i, j), phi_side(b, i, j)
    difference = phi_difference(side_a, side_b)
    delta, reach = side_b.phi - side_a.phi, difference.reach()
    surest = np.minimum(*(np.abs(side.phi / side.standard_error) for side in (side_a, side_b)))
    clear = difference.supported & (surest >= CLEAR_SIGN)
    return TableComparison(
        i=i.astype(np.int64),
        j=j.astype(np.int64),
        phi_a=side_a.phi,
        phi_b=side_b.phi,
        delta=delta,
        delta_low=np.clip(delta - reach, -2, 2),
        delta_high=np.clip(delta + reach, -2, 2),
        z=difference.z,
        p=difference.p,
        q=correct(np.where(difference.supported, difference.p, np.nan)),
        supported=difference.supported,
        log_odds_a=log_odds(side_a.pairs)[0],
        log_odds_b=log_odds(side_b.pairs)[0],
        log_odds_p=log_odds_p(side_a, side_b),
        samples_a=side_a.pairs.n.astype(np.int64),
        samples_b=side_b.pairs.n.astype(np.int64),
        both_a=side_a.pairs.s.astype(np.int64),
        both_b=side_b.pairs.s.astype(np.int64),
        rates_a=a.rates,
        rates_b=b.rates,
        rates_q=correct(rates_p(a, b)),
        inverted=_inverted(side_a.phi, side_b.phi, np.where(clear, surest, 0.0), a.num_labels),
        rows=(a.rows, b.rows),
        tested=True,
        grouped=side_a.grouped or side_b.grouped,
        label_names=a.label_names,
    )


def _without_test(a: Side, b: Side) -> TableComparison:
    """The comparison where at least one side has no counts: phi and delta alone."""
    i, j = np.triu_indices(a.num_labels, 1)
    phi_a, phi_b = (side.phi_matrix()[i, j] for side in (a, b))
    surest = np.nan_to_num(np.minimum(np.abs(phi_a), np.abs(phi_b)))
    unknown, none = np.full(len(i), np.nan), np.zeros(len(i), np.int64)
    rates = [np.full(a.num_labels, np.nan) if side.counts is None else side.counts.rates for side in (a, b)]
    return TableComparison(
        i=i.astype(np.int64),
        j=j.astype(np.int64),
        phi_a=phi_a,
        phi_b=phi_b,
        delta=phi_b - phi_a,
        delta_low=unknown,
        delta_high=unknown,
        z=unknown,
        p=unknown,
        q=unknown,
        supported=np.zeros(len(i), np.bool_),
        log_odds_a=unknown,
        log_odds_b=unknown,
        log_odds_p=unknown,
        samples_a=none,
        samples_b=none,
        both_a=none,
        both_b=none,
        rates_a=rates[0],
        rates_b=rates[1],
        rates_q=np.full(a.num_labels, np.nan),
        inverted=_inverted(phi_a, phi_b, np.where(surest >= CLEAR_PHI, surest, 0.0), a.num_labels),
        rows=(0 if a.counts is None else a.counts.rows, 0 if b.counts is None else b.counts.rows),
        tested=False,
        grouped=False,
        label_names=a.label_names,
    )


def _inverted(phi_a: FloatArray, phi_b: FloatArray, weight: FloatArray, num_labels: int) -> tuple[Inversion, ...]:
    """The labels whose pairs changed sign; `weight` is 0 for pairs whose sign is not clear on both sides."""
    agreement = np.zeros((num_labels, num_labels))
    i, j = np.triu_indices(num_labels, 1)
    agreement[i, j] = np.sign(np.nan_to_num(phi_a * phi_b)) * weight
    return inversions(agreement + agreement.T)
