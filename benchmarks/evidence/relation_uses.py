"""How well a relation's uses do on test rows: all of them, and samples of them in which some count more often."""

from __future__ import annotations

import numpy as np

from obrl.mining import RelationMiner
from obrl.mining.assess import FLIPPED
from obrl.mining.metrics import Flags, FloatArray, area_under_roc, mean_average_precision


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
