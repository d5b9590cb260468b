"""How well probabilities rank, for many weightings of the rows at once: the figures that `assess` needs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def average_precision(scores: FloatArray, positive: Flags, weights: FloatArray) -> FloatArray:
    """The area under the curve of precision over recall, as a step function.

    Args:
        scores: (entries,), higher for the positives.
        positive: (entries,).
        weights: (weightings, entries), how often each entry counts.

    Returns:
        (weightings,) float64; NaN without a positive.

    Example:
        >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]), np.ones((1, 3))).round(3)
        array([0.833])
    """
    order = np.argsort(-scores, kind="stable")
    ordered = weights[:, order]
    hits = np.cumsum(ordered * positive[order], axis=1)
    shown = np.cumsum(ordered, axis=1)
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are one step
    hits, shown = hits[:, last], shown[:, last]
    precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
    area = (np.diff(hits, prepend=0.0, axis=1) * precision).sum(axis=1)
    return np.divide(area, hits[:, -1], out=np.full(len(area), np.nan), where=hits[:, -1] > 0)


def mean_average_precision(scores: FloatArray, positive: Flags, chosen: Flags, weights: FloatArray) -> FloatArray:
    """The mean over labels of the average precision on chosen entries; labels without a chosen positive are left out.

    Args:
        scores: (rows, num_labels).
        positive: (rows, num_labels).
        chosen: (rows, num_labels), the entries that count.
        weights: (weightings, rows), how often each row counts.

    Returns:
        (weightings,) float64.
    """
    values = []
    for label in range(scores.shape[1]):
        rows = np.flatnonzero(chosen[:, label])
        if positive[rows, label].any():
            values.append(average_precision(scores[rows, label], positive[rows, label], weights[:, rows]))
    if not values:
        return np.full(len(weights), np.nan)
    return np.asarray(np.nanmean(np.stack(values), axis=0))


def area_under_roc(scores: FloatArray, positive: Flags, weights: FloatArray) -> FloatArray:
    """The probability that a positive scores higher than a negative, ties counting half.

    Args:
        scores: (entries,).
        positive: (entries,).
        weights: (weightings, entries), how often each entry counts.

    Returns:
        (weightings,) float64; NaN without both kinds.
    """
    _, inverse = np.unique(scores, return_inverse=True)
    size = int(inverse.max(initial=-1)) + 1
    areas = np.full(len(weights), np.nan)
    for number, weight in enumerate(weights):
        hits = np.bincount(inverse, weight * positive, minlength=size)
        misses = np.bincount(inverse, weight * ~positive, minlength=size)
        pairs = hits.sum() * misses.sum()
        if pairs:
            areas[number] = (hits * (np.cumsum(misses) - misses / 2)).sum() / pairs
    return areas
