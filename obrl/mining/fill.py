"""Probabilities of labels from the other known labels of their row: two methods, and the choice between them.

The residual takes a linear expectation from all other labels; naive Bayes adds up what each says by itself, which
wins where many labels are unknown. Each is led through a logistic curve for every label. A twentieth of the known
entries is hidden while the curves are learnt; the method with the lower log-loss on these is used. Counts that come
from the same table hold the hidden entries too, so on few rows both losses are a little too low.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts, count_pairs
from obrl.mining.curves import Curves
from obrl.mining.errors import MiningError
from obrl.mining.inputs import read_matrix
from obrl.mining.residual import BoolArray, FloatArray, Residual, dense_rows, row_chunks

HIDDEN_SHARE = 0.05
HIDING = 1
"""Joins the seed, so that a caller who draws missing entries with the same seed does not draw the same ones."""
MOST_LOG_ODDS = 16.0
METHODS = ("residual", "naive Bayes")


class Filler:
    """Gives each entry of a table the probability that it is present, from the other known labels of its row.

    Args:
        counts: of the table, each field (num_labels, num_labels).
        seed: of the entries that are hidden to compare the methods.

    Attributes:
        method: one of `METHODS`; the residual until `learn` has seen rows and `choose` was called.
        log_losses: for each method the mean log-loss of the hidden entries, in nats; NaN before `choose`.
    """

    def __init__(self, counts: PairCounts, *, seed: int = 0) -> None:
        self._residual = Residual.from_counts(counts)
        self._bayes = NaiveBayes(counts)
        num_labels = len(self._residual.rates)
        ranges: tuple[dict[str, Any], ...] = ({}, {"low": -MOST_LOG_ODDS, "high": MOST_LOG_ODDS, "prior": (0.0, 1.0)})
        self._curves, self._hidden = ([Curves(num_labels, **r) for r in ranges] for _ in range(2))
        self._rng = np.random.default_rng([seed, HIDING])
        self.method = METHODS[0]
        self.log_losses = dict.fromkeys(METHODS, float("nan"))

    def learn(self, values: FloatArray, known: BoolArray) -> None:
        """Count rows for the curves, with a twentieth of their known entries hidden.

        Args:
            values: (rows, num_labels), 0 or 1.
            known: (rows, num_labels).
        """
        hidden = known & (self._rng.random(known.shape) < HIDDEN_SHARE)
        shown = known & ~hidden
        for inputs, curves, held_out in zip(self._inputs(values, shown), self._curves, self._hidden, strict=True):
            curves.add(inputs, values, shown)
            held_out.add(inputs, values, hidden)

    def choose(self) -> str:
        """Fit the curves, compare both methods on the hidden entries, and return the better one's name."""
        for method, curves, held_out in zip(METHODS, self._curves, self._hidden, strict=True):
            loss, entries = curves.fit().log_loss(held_out)
            self.log_losses[method] = loss / entries if entries else float("nan")
        losses = self.log_losses
        self.method = METHODS[int(losses[METHODS[1]] < losses[METHODS[0]])]
        for curves, held_out in zip(self._curves, self._hidden, strict=True):
            curves.merge(held_out)
            curves.fit()
        return self.method

    def probabilities(self, values: FloatArray, known: BoolArray) -> FloatArray:
        """The probability of each entry, known or not, from the other known ones of its row, (rows, num_labels)."""
        which = METHODS.index(self.method)
        inputs = (self._bayes.log_odds if which else self._residual.expected)(values, known)
        return self._curves[which].probability(inputs)

    def _inputs(self, values: FloatArray, known: BoolArray) -> tuple[FloatArray, FloatArray]:
        return self._residual.expected(values, known), self._bayes.log_odds(values, known)


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
    chunks = [dense_rows(labels, rows) for rows in row_chunks(labels)]
    if not chunks:
        return np.zeros((0, 0 if counts is None else len(counts.s)))
    if counts is None:
        values, known = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        counts = count_pairs(values, observed=known)
    if len(counts.s) != chunks[0][0].shape[1]:
        raise MiningError(f"expected {len(counts.s)} labels, as were mined, got {chunks[0][0].shape[1]}")
    filler = Filler(counts)
    for values, known in chunks:
        filler.learn(values, known)
    filler.choose()
    return np.concatenate([filler.probabilities(values, known) for values, known in chunks])


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
    chunks = [dense_rows(labels, rows) for rows in row_chunks(labels)]
    values, known = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    group_of = np.arange(len(values)) if groups is None else np.asarray(groups)
    names, unit = np.unique(group_of, return_inverse=True)
    if len(unit) != len(values):
        raise ValueError(f"groups must have shape (rows,) = ({len(values)},), got {group_of.shape}")
    if not 2 <= folds <= len(names):
        raise ValueError(f"folds must lie in [2, {len(names)}], the number of rows or groups, got {folds}")
    fold = np.random.default_rng(seed).permutation(len(names))[unit] % folds
    result = np.empty(values.shape)
    for part in range(folds):
        here = fold == part
        filler = Filler(count_pairs(values[~here], observed=known[~here]), seed=seed)
        filler.learn(values[~here], known[~here])
        filler.choose()
        result[here] = filler.probabilities(values[here], known[here])
    return result
