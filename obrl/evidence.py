"""How sure a relation is: effective sample sizes, and intervals of phi that hold for rare labels."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.measures import apply_measure
from obrl.namespace import NUMPY
from obrl.online import RelationState
from obrl.settings import Settings

FloatArray = npt.NDArray[np.float64]


class PhiEstimate(NamedTuple):
    """Phi of smoothed tables, and its standard error; arrays broadcast as the counts did.

    Attributes:
        phi: of the tables with 1/2 added to each cell.
        standard_error: by the delta method, if the rows are independent.
    """

    phi: FloatArray
    standard_error: FloatArray


def effective_batches(weight: npt.ArrayLike, decay: float) -> FloatArray:
    """The number of equally weighted batches that say as much as a decayed sum of batches (Kish).

        B = (sum w)^2 / sum w^2 = S (1 + decay) / (2 - (1 - decay) S),

    with S the relation weight 1 + decay + decay^2 + ..., so no further accumulator is needed.

    Args:
        weight: S of Eq. 1, of any shape, at least 0.
        decay: lambda of Eq. 1, in (0, 1].

    Returns:
        B, float64, of the shape of `weight`.

    Example:
        >>> effective_batches([1.0, 1.99, 100.0], 0.99).round(2)
        array([  1.,   2., 199.])

    Source: Kish, Survey Sampling, 1965, section 8.2.
    """
    total = np.asarray(weight, np.float64)
    return np.asarray(total * (1 + decay) / (2 - (1 - decay) * total))


def effective_counts(state: RelationState, settings: Settings) -> PairCounts:
    """The pair counts that the moving average of the estimator `"counts"` is worth.

    Args:
        state: accumulators as NumPy arrays of the estimator `"counts"`.
        settings: decay.

    Returns:
        The mean counts of a batch times the effective number of batches, float64, each (num_labels, num_labels); 0 for
        a pair without evidence. They are whole numbers only by chance. No cell of a table is below 0, as it may be by
        the rounding of sums of more than 2^24 samples in float32.
    """
    weight = np.asarray(state.relation_weight, np.float64)
    share = effective_batches(weight, settings.decay) / np.where(weight > 0, weight, 1.0)
    n, s, r = np.asarray(state.relation_sum, np.float64) * share
    r = np.clip(r, 0, n)
    s = np.clip(s, np.maximum(r + r.T - n, 0), np.minimum(r, r.T))
    return PairCounts(n, s, r, r.T)


def effective_samples(state: RelationState, settings: Settings) -> FloatArray:
    """How many samples each pair's relation is worth.

    Args:
        state: accumulators as NumPy arrays.
        settings: decay and estimator count.

    Returns:
        (num_labels, num_labels) float64: the effective number of batches times their mean number of samples. NaN for
        the estimator `"batch"`, which does not know how many samples its batches had.

    Example:
        >>> import numpy as np
        >>> from obrl import OnlineBatchRelation
        >>> relation = OnlineBatchRelation(1, estimator="counts", decay=0.5)
        >>> for _ in range(2):
        ...     _ = relation.update(np.ones((6, 1)))
        >>> effective_samples(relation.state, relation.settings).round(1)  # of 12: the first batch counts half
        array([[10.8]])
    """
    if settings.estimator == "batch":
        return np.full(np.shape(state.relation_weight), np.nan)
    return effective_counts(state, settings).n


def phi_coefficients(counts: PairCounts) -> FloatArray:
    """Phi of pairs, float64; NaN where a label is constant.

    Args:
        counts: of pairs, of any shapes that broadcast.
    """
    phi, defined = apply_measure(NUMPY, "pearson", PairCounts(*(np.asarray(part, np.float64) for part in counts)))
    return np.where(defined > 0, phi, np.nan)


def estimate_phi(counts: PairCounts) -> PhiEstimate:
    """Phi and its standard error by the delta method, from tables with 1/2 added to each cell.

    The half keeps the standard error above 0 where a cell is empty, as for exclusive labels and duplicates.

    Args:
        counts: of pairs, of any shapes that broadcast; they may be fractional.
    """
    n, s, r, c = (np.asarray(part, np.float64) for part in counts)
    total = n + 2
    both, only_i, only_j = (s + 0.5) / total, (r - s + 0.5) / total, (c - s + 0.5) / total
    neither = (n - r - c + s + 0.5) / total
    p, q = both + only_i, both + only_j
    not_p, not_q = only_j + neither, only_i + neither
    spread = np.sqrt(p * not_p * q * not_q)
    phi = (both * neither - only_i * only_j) / spread
    cells = (both, only_i, only_j, neither)
    gradient = (
        neither / spread - phi / 2 * (1 / p + 1 / q),
        -only_j / spread - phi / 2 * (1 / p + 1 / not_q),
        -only_i / spread - phi / 2 * (1 / not_p + 1 / q),
        both / spread - phi / 2 * (1 / not_p + 1 / not_q),
    )
    mean = sum(share * slope for share, slope in zip(cells, gradient, strict=True))
    variance: Any = sum(share * (slope - mean) ** 2 for share, slope in zip(cells, gradient, strict=True))
    return PhiEstimate(phi, np.sqrt(variance / total))


def phi_interval(counts: PairCounts, *, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """An interval of phi that holds for rare labels, where Fisher's z fails.

    The delta method on tables with 1/2 added to each cell, cut off at -1 and 1. Rows must be independent: for rows
    that come in groups see `obrl.mining.jackknife`.

    Args:
        counts: of pairs, of any shapes that broadcast; they may be fractional, as effective counts are.
        level: how often such intervals hold the true phi, in (0, 1).

    Returns:
        The lower and the upper ends, float64.

    Raises:
        ValueError: a level outside (0, 1).

    Example:
        >>> low, high = phi_interval(PairCounts(n=10_000, s=1, r=1, c=1))  # one joint occurrence of two rare labels
        >>> print(f"{low:.2f} to {high:.2f}")
        0.28 to 1.00
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    phi, standard_error = estimate_phi(counts)
    reach = NormalDist().inv_cdf((1 + level) / 2) * standard_error
    return np.clip(phi - reach, -1, 1), np.clip(phi + reach, -1, 1)


def nan_as_one(values: npt.NDArray[Any]) -> list[float]:
    """The numbers as Python floats, each NaN `math.nan` itself, so that equal tuples of them compare equal."""
    return [math.nan if value != value else value for value in values.tolist()]
