"""How well a relation's uses do on test rows: all of them, and samples of them in which some count more often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from obrl.mining import RelationMiner
from obrl.mining.assess import FLIPPED
from obrl.mining.metrics import area_under_roc, mean_average_precision

FloatArray = NDArray[np.float64]
Flags = NDArray[np.bool_]


def all_rows(rows: int) -> FloatArray:
    """The weights under which every row counts once, (1, rows)."""
    return np.ones((1, rows))


def precision(scores: FloatArray, y: FloatArray, chosen: Flags, weights: FloatArray) -> FloatArray:
    """The mean average precision of chosen entries in per cent.

    Args:
        scores: (rows, num_labels), higher for present labels.
        y: (rows, num_labels), the labels, 0 or 1.
        chosen: (rows, num_labels), which entries count.
        weights: (weightings, rows), how often each row counts.

    Returns:
        (weightings,).
    """
    return 100 * mean_average_precision(scores, y == 1, chosen, weights)


def share_wrong(p: FloatArray, y: FloatArray, chosen: Flags, weights: FloatArray) -> FloatArray:
    """The share of chosen entries whose probability lies on the wrong side of one half, in per cent.

    Args and return value are those of `precision`.
    """
    wrong = ((p >= 0.5) != (y == 1)) & chosen
    return 100 * ((weights @ wrong.sum(axis=1)) / (weights @ chosen.sum(axis=1)))


def flip(y: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, Flags]:
    """The labels with each turned round with a probability of 5 %, and which were."""
    flipped = rng.random(y.shape) < FLIPPED
    return np.where(flipped, 1 - y, y), flipped


def suspicion_areas(
    miner: RelationMiner, p: FloatArray, judged: FloatArray, flipped: Flags, known: Flags, weights: FloatArray
) -> dict[str, FloatArray]:
    """The area under the ROC curve of finding flipped labels in per cent, without and with the relation.

    Args:
        miner: with the relation.
        p: (rows, num_labels), the net's probabilities; alone, the distance of a label from its probability ranks it.
        judged: (rows, num_labels), the labels, some of them flipped.
        flipped: (rows, num_labels), which are.
        known: (rows, num_labels), which labels there are.
        weights: (weightings, rows).

    Returns:
        Two arrays (weightings,).
    """
    rows, labels = np.nonzero(known)
    scores = {"without": np.abs(judged - p), "with": miner.suspicion(p, judged, observed=known)}
    return {
        name: 100 * area_under_roc(each[rows, labels], flipped[rows, labels], weights[:, rows])
        for name, each in scores.items()
    }


def ask(scores: Callable[[Flags], FloatArray], answers: Flags, questions: int) -> Flags:
    """Which labels were asked for, one of every row at a time.

    Args:
        scores: from the labels asked for so far to (rows, num_labels) scores; each row's highest is asked for next.
        answers: (rows, num_labels), which labels can be asked for.
        questions: how many of each row.

    Returns:
        (rows, num_labels).

    Example:
        >>> ask(lambda asked: np.array([[0.1, 0.3, 0.2]]), np.array([[True, False, True]]), 1)
        array([[False, False,  True]])
    """
    asked = np.zeros(answers.shape, bool)
    for _ in range(questions):
        open_ones = answers & ~asked
        best = np.where(open_ones, scores(asked), -np.inf).argmax(axis=1)
        everyone = np.arange(len(best))
        asked[everyone, best] |= open_ones[everyone, best]
    return asked
