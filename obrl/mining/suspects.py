"""Entries of a table that contradict the other labels of their row, most suspicious first.

The score of a known entry is |y - E[y | others]|. The probability that the label is present is the expectation led
through a logistic curve for each label, learnt from the same entries. What cannot be seen: errors that agree with the
relations, such as a label copied from its partner in all rows, or a whole row that belongs to another picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts, count_pairs, two_present
from obrl.mining.curves import Curves
from obrl.mining.errors import MiningError
from obrl.mining.inputs import read_matrix
from obrl.mining.residual import ENTRIES_AT_ONCE, BoolArray, FloatArray, Residual, dense_rows, row_chunks

EXPLAINED_BY = 3
BLIND = (
    "Errors that agree with the other labels cannot be seen this way: a label that was always copied from a related "
    "one, or a row whose labels are all those of another row."
)


@dataclass(slots=True)
class Candidates:
    """The highest scores so far, each with its entry.

    Attributes:
        score, row, label, value, expected: (entries,); `row` counts from 0 over the whole table.
        partners: (entries, 3), the labels that speak most against the entry, -1 where fewer do.
        partner_values: (entries, 3), 1 or 0.
    """

    score: FloatArray = field(default_factory=lambda: np.empty(0))
    row: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    label: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    value: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    expected: FloatArray = field(default_factory=lambda: np.empty(0))
    partners: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, EXPLAINED_BY), np.int64))
    partner_values: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, EXPLAINED_BY), np.int64))

    def __len__(self) -> int:
        return len(self.score)

    def take(self, which: npt.NDArray[Any]) -> Candidates:
        """Some of them, in this order."""
        return Candidates(*(getattr(self, name)[which] for name in self.__slots__))

    def joined(self, other: Candidates) -> Candidates:
        """These and others."""
        return Candidates(*(np.concatenate([getattr(self, k), getattr(other, k)]) for k in self.__slots__))

    def best(self, top: int) -> Candidates:
        """The `top` highest scores, highest first; of equal ones the earlier rows."""
        return self.take(np.lexsort((self.label, self.row, -self.score))[:top])

    def best_of_each(self, top: int) -> Candidates:
        """The `top` highest scores of each label, label by label."""
        order = np.lexsort((self.row, -self.score, self.label))
        ordered = self.label[order]
        rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        return self.take(order[rank < top])


class SuspectFinder:
    """Scores rows as they come and holds on to the most suspicious entries.

    Args:
        counts: of the table, each field (num_labels, num_labels).
        top: how many entries of the whole table.
        per_label: how many entries of each label.

    Attributes:
        rows: so far.
        known: how many of them know each label, (num_labels,), int64.
        overall, per_label: `Candidates` so far; call `best` and `best_of_each` for their order.

    Raises:
        MiningError: a table in which no two labels are present together, unless `force`.
    """

    def __init__(self, counts: PairCounts, *, top: int = 1000, per_label: int = 0, force: bool = False) -> None:
        if not force:
            refuse_single_positive(counts)
        self.residual = Residual.from_counts(counts)
        self._curves = Curves(len(self.residual.rates))
        self._floors = np.full(len(self.residual.rates), -np.inf)
        self._top, self._top_per_label = top, per_label
        self.rows = 0
        self.known = np.zeros(len(self.residual.rates), np.int64)
        self.overall, self.per_label = Candidates(), Candidates()

    def add(self, values: FloatArray, known: BoolArray, scores: FloatArray | None = None) -> FloatArray:
        """Score rows.

        Args:
            values: (rows, num_labels), 0 or 1.
            known: (rows, num_labels).
            scores: (rows, num_labels), to rank by in place of |y - E|: those of `suspicion` with a model, the
                negative logarithm of the probability of what the table holds.

        Returns:
            The scores, (rows, num_labels); -inf for unknown entries.
        """
        if scores is None:
            expected = self.residual.expected(values, known)
        else:
            listed = np.where(known, np.exp(-np.maximum(scores, 0.0)), 0.5)
            expected = np.where(values > 0, listed, 1 - listed)
        self._curves.add(expected, values, known)
        score = np.where(known, np.abs(values - expected) if scores is None else scores, -np.inf)
        floor = self.overall.score[-1] if len(self.overall) >= self._top else -np.inf
        overall = _highest(score.reshape(-1), self._top, floor)
        further = self._candidates(values, known, expected, score, *np.divmod(overall, score.shape[1]))
        self.overall = self.overall.joined(further).best(self._top)
        if self._top_per_label:
            above = np.where(score > self._floors, score, -np.inf)
            entries = _highest_of_columns(above, self._top_per_label)
            further = self._candidates(values, known, expected, score, *entries)
            self.per_label = self.per_label.joined(further).best_of_each(self._top_per_label)
            self._raise_floors()
        self.rows += len(values)
        self.known += known.sum(axis=0)
        return score

    def _raise_floors(self) -> None:
        """Note for each label with a full list the least score in it: a later entry must have more."""
        label = self.per_label.label
        full = np.bincount(label, minlength=len(self._floors)) == self._top_per_label
        last = np.searchsorted(label, np.arange(len(self._floors)), side="right") - 1
        self._floors[full] = self.per_label.score[last[full]]

    def _candidates(
        self,
        values: FloatArray,
        known: BoolArray,
        expected: FloatArray,
        score: FloatArray,
        rows: npt.NDArray[np.intp],
        labels: npt.NDArray[np.intp],
    ) -> Candidates:
        step = max(1, ENTRIES_AT_ONCE // values.shape[1])
        parts = [slice(start, start + step) for start in range(0, max(len(rows), 1), step)]
        explained = [self._explained(values[rows[k]], known[rows[k]], labels[k]) for k in parts]
        partners, partner_values = (np.concatenate(arrays) for arrays in zip(*explained, strict=True))
        y = values[rows, labels].astype(np.int64)
        which = (rows + self.rows, labels.astype(np.int64), y, expected[rows, labels])
        return Candidates(score[rows, labels], *which, partners, partner_values)

    def _explained(
        self, values: FloatArray, known: BoolArray, labels: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The three labels that push the expectation furthest away from each entry."""
        partners = np.full((len(labels), EXPLAINED_BY), -1, np.int64)
        partner_values = np.zeros_like(partners)
        entry = np.arange(len(labels))
        against = self.residual.contributions(values, known, labels)
        against *= np.where(values[entry, labels] > 0, -1.0, 1.0)[:, None]
        for place in range(min(EXPLAINED_BY, values.shape[1])):
            strongest = against.argmax(axis=1)
            speaks = against[entry, strongest] > 0
            partners[speaks, place] = strongest[speaks]
            partner_values[:, place] = values[entry, strongest]
            against[entry, strongest] = -np.inf
        return partners, partner_values

    def probability(self, candidates: Candidates) -> FloatArray:
        """The probability that each label is present, given the others of its row, (entries,)."""
        return self._curves.fit().probability(candidates.expected, candidates.label)


def _highest(scores: FloatArray, top: int, floor: float) -> npt.NDArray[np.intp]:
    """The positions of the `top` highest scores above `floor`; of equal ones the first."""
    above = np.flatnonzero(scores > floor)
    if len(above) <= top:
        return above
    return above[_highest_of_columns(scores[above][:, None], top)[0]]


def _highest_of_columns(scores: FloatArray, top: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the `top` highest scores of each column above -inf; of equal ones the first rows."""
    top = min(top, len(scores))
    least = np.partition(scores, len(scores) - top, axis=0)[len(scores) - top]
    higher, equal = scores > least, scores == least
    listed = higher | (equal & (np.cumsum(equal, axis=0) <= top - higher.sum(axis=0)))
    rows, columns = np.nonzero(listed & (scores > -np.inf))
    return rows, columns


def wrong_probability(value_probability: npt.ArrayLike, error_rate: float) -> FloatArray:
    """The probability that an entry is wrong if a share `error_rate` of all entries were flipped at random.

    e (1 - P_true) / P_given with P_true = (P_given - e) / (1 - 2 e), within [0, 1].

    Args:
        value_probability: of the value that the table holds, given the row's other labels.
        error_rate: e, in (0, 0.5).

    Example:
        >>> wrong_probability([0.01, 0.5, 0.99], 0.01).round(4)
        array([1.  , 0.01, 0.  ])
    """
    if not 0 < error_rate < 0.5:
        raise MiningError(f"an error rate must lie in (0, 0.5), got {error_rate}")
    value = np.asarray(value_probability, np.float64)
    true = np.clip((value - error_rate) / (1 - 2 * error_rate), 0.0, 1.0)
    wrong: FloatArray = np.minimum(error_rate * (1 - true) / np.maximum(value, error_rate), 1.0)
    return wrong


def wrong_entries(candidates: Candidates, probabilities: FloatArray, error_rate: float) -> FloatArray:
    """`wrong_probability` of listed entries, from the probability that each label is present."""
    return wrong_probability(np.where(candidates.value == 1, probabilities, 1 - probabilities), error_rate)


def refuse_single_positive(counts: PairCounts) -> None:
    """Raise MiningError for counts in which no two labels are ever present together."""
    if not two_present(counts):
        raise MiningError(
            "no row has two labels present, as in a table of classes: the other labels then say little more than how "
            "many are present, and the list is worse than one by frequency alone; --force lists suspects all the same"
        )


def score_matrix(
    targets: Any,
    counts: PairCounts | None = None,
    *,
    observed: npt.ArrayLike | None = None,
    force: bool = False,
) -> FloatArray:
    """How much each entry of a table in memory contradicts the other labels of its row.

    Args:
        targets: (rows, num_labels), as `RelationMiner.fit` takes them.
        counts: of a table of the same labels; None for those of `targets`.
        observed: (rows, num_labels), bool; False marks a missing target.
        force: score a table in which no two labels are present together, too.

    Returns:
        (rows, num_labels) float64: |y - E[y | others]|, about 0 to 1; -inf for unknown entries.

    Raises:
        TypeError, ValueError: as `RelationMiner.fit`; MiningError for other labels than those counted, or a table of
            classes.

    Example:
        >>> scores = score_matrix([[1, 1, 0], [0, 0, 1]] * 30 + [[1, 0, 0]])
        >>> int(scores.argmax(axis=0)[1])
        60
    """
    labels = read_matrix(targets, observed)
    chunks = [dense_rows(labels, rows) for rows in row_chunks(labels)]
    if counts is None:
        values, known = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        counts = count_pairs(values, observed=known)
    if chunks and len(counts.s) != chunks[0][0].shape[1]:
        raise MiningError(f"expected {len(counts.s)} labels, as were mined, got {chunks[0][0].shape[1]}")
    if not force:
        refuse_single_positive(counts)
    residual = Residual.from_counts(counts)
    scores = [np.where(k, np.abs(v - residual.expected(v, k)), -np.inf) for v, k in chunks]
    return np.concatenate(scores) if scores else np.zeros((0, len(counts.s)))
