"""Probabilities of labels from the other known labels of their row: two methods, and the choice between them.

The residual takes a linear expectation from all other labels; naive Bayes adds up what each says by itself, which
wins where many labels are unknown. Each is led through a logistic curve for every label. These are learnt with
a twentieth of the known entries hidden, as a row that lacks one entry mostly lacks others too. To choose, a fifth of
the rows is held out: both methods are built from the counts and curves of the other rows, and the one with the lower
log-loss on the rows held out is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.accumulate import without
from obrl.mining.blocks import DenseLabels, SparseLabels
from obrl.mining.counting import count_labels, full_counts, some_rows
from obrl.mining.curves import Curves
from obrl.mining.errors import MiningError
from obrl.mining.inputs import read_matrix
from obrl.mining.residual import BoolArray, FloatArray, Residual, dense_rows, row_chunks

HELD_OUT = 5
"""One in so many rows, or groups of rows, is held out."""
HIDDEN_SHARE = 0.05
HIDDEN_STREAM, HELD_OUT_STREAM = 1, 2
"""Appended to the seed, so that these draws differ from those of a caller who uses the same seed."""
MOST_LOG_ODDS = 16.0
METHODS = ("residual", "naive Bayes")


class Filler:
    """Gives each entry of a table the probability that it is present, from the other known labels of its row.

    Args:
        counts: of the table.
        held_out: counts of the rows that are held out. To compare the methods they are subtracted from `counts`,
            unless a cell would fall below 0, which shows that `counts` is of other rows. Counts of many other rows
            show no such cell and lose them needlessly, which blunts the comparison a little. `probabilities` uses all
            of `counts`.
        seed: of the entries that are hidden while the curves are learnt.

    Attributes:
        method: one of `METHODS`; the residual until `choose` was called, or where no entry was held out.
        log_losses: for each method the mean log-loss of the entries that were held out, in nats; NaN before `choose`.
    """

    def __init__(self, counts: PairCounts, held_out: PairCounts, *, seed: int = 0) -> None:
        counts = full_counts(counts)
        self._final, self._trial = _Methods(counts), _Methods(_unless_others(counts, held_out))
        self._held_out = _curves(len(counts.s))
        self._rng = np.random.default_rng([seed, HIDDEN_STREAM])
        self.method = METHODS[0]
        self.log_losses = dict.fromkeys(METHODS, float("nan"))

    def learn(self, values: FloatArray, known: BoolArray, held_out: BoolArray) -> None:
        """Count rows for the curves.

        Args:
            values: (rows, num_labels), 0 or 1.
            known: (rows, num_labels).
            held_out: (rows,), which rows are held out for the choice.
        """
        shown = known & (self._rng.random(known.shape) >= HIDDEN_SHARE)
        self._final.add(self._final.curves, values, shown, known)
        for curves, rows in ((self._trial.curves, ~held_out), (self._held_out, held_out)):
            self._trial.add(curves, values[rows], shown[rows], known[rows])

    def choose(self) -> str:
        """Fit the curves, compare both methods on the rows held out, and return the better one's name."""
        for method, trial, held_out in zip(METHODS, self._trial.curves, self._held_out, strict=True):
            loss, entries = trial.fit().log_loss(held_out)
            self.log_losses[method] = loss / entries if entries else float("nan")
        losses = self.log_losses
        self.method = METHODS[int(losses[METHODS[1]] < losses[METHODS[0]])]
        for curves in self._final.curves:
            curves.fit()
        return self.method

    def probabilities(self, values: FloatArray, known: BoolArray) -> FloatArray:
        """The probability of each entry, known or not, from the other known ones of its row, (rows, num_labels)."""
        which = METHODS.index(self.method)
        return self._final.curves[which].probability(self._final.inputs[which](values, known))


class _Methods:
    """Both methods from the same counts, with a curve for each label."""

    def __init__(self, counts: PairCounts) -> None:
        self.inputs = (Residual.from_counts(counts).expected, NaiveBayes(counts).log_odds)
        self.curves = _curves(len(counts.s))

    def add(self, curves: tuple[Curves, ...], values: FloatArray, shown: BoolArray, known: BoolArray) -> None:
        """Count the known entries of rows into curves, each as the others that are shown say."""
        for inputs, curve in zip(self.inputs, curves, strict=True):
            curve.add(inputs(values, shown), values, known)


def _curves(num_labels: int) -> tuple[Curves, ...]:
    """Empty curves for each of `METHODS`."""
    return Curves(num_labels), Curves(num_labels, low=-MOST_LOG_ODDS, high=MOST_LOG_ODDS, prior=(0.0, 1.0))


def _unless_others(counts: PairCounts, part: PairCounts) -> PairCounts:
    """The counts of all rows but a part of them; `counts` itself where a difference below 0 shows that it lacks it."""
    rest = without(counts, part)
    cells = (rest.s, rest.r - rest.s, rest.c - rest.s, rest.n - rest.r - rest.c + rest.s)
    return counts if min(int(cell.min(initial=0)) for cell in cells) < 0 else rest


class NaiveBayes:
    """The log-odds of each label as if the others were independent given it, with half an entry added to each cell.

    Args:
        counts: of the table, each field (num_labels, num_labels).
    """

    def __init__(self, counts: PairCounts) -> None:
        n, both, first, second = (np.asarray(field, np.float64) for field in counts)
        with_label = (both + 0.5) / (first + 1)  # [j, k]: k present where j is
        without = (second - both + 0.5) / (n - first + 1)
        self._present = np.log(with_label / without).T
        self._absent = np.log((1 - with_label) / (1 - without)).T
        np.fill_diagonal(self._present, 0.0)
        np.fill_diagonal(self._absent, 0.0)
        known, present = n.diagonal(), both.diagonal()
        self._prior = np.log((present + 0.5) / (known - present + 0.5))

    def log_odds(self, values: FloatArray, known: BoolArray) -> FloatArray:
        """(rows, num_labels), from the known labels of the row but the label itself."""
        present = values * known
        return self._prior + present @ (self._present - self._absent) + known.astype(np.float64) @ self._absent


def fill_matrix(targets: Any, counts: PairCounts | None = None, *, observed: npt.ArrayLike | None = None) -> FloatArray:
    """The probability of each entry of a table in memory, known or not, from the other known ones of its row.

    Args:
        targets: (rows, num_labels), as `RelationMiner.fit` takes them.
        counts: of a table of the same labels; None for those of `targets`.
        observed: (rows, num_labels), bool; False marks a missing target.

    Returns:
        (rows, num_labels) float64 in (0, 1).

    Raises:
        TypeError, ValueError: as `RelationMiner.fit`.

    Example:
        >>> table = [[1, 1], [0, 0]] * 50
        >>> fill_matrix(table + [[1, float("nan")]])[-1, 1] > 0.9
        np.True_
    """
    labels = read_matrix(targets, observed)
    if labels.rows == 0:
        return np.zeros((0, labels.num_labels if counts is None else len(counts.s)))
    if counts is not None and len(counts.s) != labels.num_labels:
        raise MiningError(f"expected {len(counts.s)} labels, as were mined, got {labels.num_labels}")
    return _filled(fitted(labels, held_out_units(labels.rows), counts), labels)


def out_of_fold(
    targets: Any,
    *,
    observed: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    folds: int = 5,
    seed: int = 0,
) -> FloatArray:
    """Probabilities from the other known labels of the row, by counts and curves of other rows than its own.

    This is what cleanlab's multi-label functions take as `pred_probs`, (rows, num_labels).

    Args:
        targets: (rows, num_labels), as `RelationMiner.fit` takes them.
        observed: (rows, num_labels), bool; False marks a missing target.
        groups: (rows,), which rows belong together and so fall into the same fold.
        folds: how many parts, at least 2 and at most the number of rows (or groups).
        seed: of the parts.

    Returns:
        (rows, num_labels) float64 in (0, 1).

    Raises:
        TypeError, ValueError: as `RelationMiner.fit`, or fewer rows or groups than folds.
    """
    labels = read_matrix(targets, observed)
    rows = labels.rows
    group_of = np.arange(rows) if groups is None else np.asarray(groups)
    names, unit = np.unique(group_of, return_inverse=True)
    if len(unit) != rows:
        raise ValueError(f"groups must have shape (rows,) = ({rows},), got {group_of.shape}")
    if not 2 <= folds <= len(names):
        raise ValueError(f"folds must lie in [2, {len(names)}], the number of rows or groups, got {folds}")
    fold = np.random.default_rng(seed).permutation(len(names))[unit] % folds
    held_out = held_out_units(len(names), seed)[unit]
    result = np.empty((rows, labels.num_labels))
    for part in range(folds):
        here, others = np.flatnonzero(fold == part), np.flatnonzero(fold != part)
        filler = fitted(some_rows(labels, others), held_out[others])
        result[here] = _filled(filler, some_rows(labels, here))
    return result


def fitted(labels: DenseLabels | SparseLabels, held_out: BoolArray, counts: PairCounts | None = None) -> Filler:
    """A filler whose curves are learnt and whose method is chosen, from rows in memory.

    Args:
        labels: of the rows.
        held_out: (rows,), which rows are held out for the choice; see `held_out_units`.
        counts: of a table of the same labels; None for those of these rows.
    """
    part = count_labels(some_rows(labels, np.flatnonzero(held_out)))
    filler = Filler(count_labels(labels) if counts is None else counts, part)
    for rows in row_chunks(labels):
        filler.learn(*dense_rows(labels, rows), held_out[rows])
    filler.choose()
    return filler


def held_out_units(units: int, seed: int = 0) -> BoolArray:
    """Which of so many rows, or groups of rows, are held out: one in `HELD_OUT`, at random, (units,)."""
    return np.random.default_rng([seed, HELD_OUT_STREAM]).permutation(units) % HELD_OUT == 0


def _filled(filler: Filler, labels: DenseLabels | SparseLabels) -> FloatArray:
    return np.concatenate([filler.probabilities(*dense_rows(labels, rows)) for rows in row_chunks(labels)])
