"""Pair counts and pair measures of the specification, one pair at a time.

Part of the oracle in `obrl.spec`, which offers these names. It shares no formula with the package.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Mask", "PairCounts", "measure_pairs", "pair_counts", "split_targets"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class PairCounts(NamedTuple):
    """The pair counts of one batch (or their moving averages), each of shape (M, M).

    Attributes:
        n: samples in which i and j are both observed.
        s: samples in which both are observed and both are 1.
        r: samples in which both are observed and i is 1; c, the same for j, is its transpose.
    """

    n: Array
    s: Array
    r: Array


def split_targets(targets: ArrayLike, observed: ArrayLike | None) -> tuple[Array, Mask]:
    """The targets in float64 with zeros where they are missing, and where they are present."""
    y = np.asarray(targets).astype(np.float64)
    present = ~np.isnan(y)
    if observed is not None:
        present &= np.asarray(observed, dtype=bool)
    return np.where(present, y, 0.0), present


def pair_counts(targets: ArrayLike, observed: ArrayLike | None = None) -> PairCounts:
    """Count, for every ordered pair of labels, the samples that say something about it.

    Args:
        targets: shape (K, M), in [0, 1] or NaN; counted as 1 from 0.5 on.
        observed: shape (K, M), bool.

    Returns:
        The counts n, s and r as float64.
    """
    y, present = split_targets(targets, observed)
    one = present & (y >= 0.5)
    both = present[:, :, None] & present[:, None, :]
    n = both.sum(axis=0)
    s = (both & one[:, :, None] & one[:, None, :]).sum(axis=0)
    r = (both & one[:, :, None]).sum(axis=0)
    return PairCounts(n.astype(np.float64), s.astype(np.float64), r.astype(np.float64))


def _pearson(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    return n * s - r * c, math.sqrt(r * (n - r) * c * (n - c))


def _unit_pearson(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    above, below = _pearson(n, s, r, c)
    return (below + above) / 2, below  # (1 + phi) / 2


def _matching(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    return n - r - c + 2 * s, n


def _cosine(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    return s, math.sqrt(r * c)


def _jaccard(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    return s, r + c - s


def _conditional(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    return s, c  # P(i | j)


def _yule_q(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    # Grouped so that a constant label gives exactly zero, for averaged counts too.
    concordant = s * ((n - c) - (r - s))
    discordant = (r - s) * (c - s)
    return concordant - discordant, concordant + discordant


def _phi_ratio(n: float, s: float, r: float, c: float) -> tuple[float, float]:
    # With the marginals fixed, phi moves only with s, which runs from max(0, r + c - n) to min(r, c).
    covariance = n * s - r * c
    if covariance >= 0:
        return covariance, n * min(r, c) - r * c
    return covariance, r * c - n * max(0.0, r + c - n)


_FRACTIONS: dict[str, Callable[[float, float, float, float], tuple[float, float]]] = {
    "pearson": _pearson,
    "unit_pearson": _unit_pearson,
    "matching": _matching,
    "cosine": _cosine,
    "jaccard": _jaccard,
    "conditional": _conditional,
    "yule_q": _yule_q,
    "phi_ratio": _phi_ratio,
}


def measure_pairs(name: str, counts: PairCounts) -> Array:
    """Apply a pair measure to the counts, pair by pair.

    Args:
        name: a pair measure, a key of `obrl.MEASURES`.
        counts: counts, or moving averages of counts.

    Returns:
        Shape (M, M); NaN where the measure's denominator is zero.
    """
    labels = range(counts.n.shape[0])
    result = np.full(counts.n.shape, math.nan)
    for i in labels:
        for j in labels:
            n, s, r, c = counts.n[i, j], counts.s[i, j], counts.r[i, j], counts.r[j, i]
            above, below = _FRACTIONS[name](float(n), float(s), float(r), float(c))
            if below != 0:
                result[i, j] = above / below
    return result
