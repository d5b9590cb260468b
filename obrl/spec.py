"""The paper's equations as printed: float64 NumPy, pairwise and slow.

This module is the oracle that every other implementation is compared with, so it is written for reading:
Eq. 1 to 4 with the sums over pairs spelt out in arrays of shape (batch, num_labels, num_labels), sharing no
formula with the rest of the package. Use `obrl.OBRLoss` for work, and this module to check it.

    Eq. 1   R_sb <- lambda R_sb + R_b;   S <- lambda S + 1;   R_g = R_sb / S
    Eq. 2   L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]
    Eq. 3   f_p(r) = 1 if r >= r_p else 0;   f_n(r) = 1 if r <= r_n else 0
    Eq. 4   L_E = -1/K sum_k sum_m [ y_km log p_km + (1 - y_km) log(1 - p_km) ]

K is the number of samples, M the number of labels, x the logits, p = sigmoid(x) and y the targets. A
target is missing where it is NaN or where `observed` is False. Nothing here is validated.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from obrl.spec_measures import Array, PairCounts, measure_pairs, pair_counts, split_targets

__all__ = [
    "PairCodes",
    "PairCounts",
    "SpecState",
    "SpecTerms",
    "cross_entropy",
    "cross_entropy_gradient",
    "initial_state",
    "measure_pairs",
    "pair_codes",
    "pair_counts",
    "reduce_samples",
    "relation",
    "relation_loss",
    "relation_loss_gradient",
    "terms",
    "update",
]


class PairCodes(NamedTuple):
    """Which ordered pairs Eq. 2 acts on.

    Attributes:
        positive: f_p of every ordered pair, 0 or 1, shape (M, M), zero on the diagonal.
        negative: f_n of every ordered pair, likewise.
        active: the number of ordered pairs with either of them set.
    """

    positive: Array
    negative: Array
    active: int


@dataclass(frozen=True)
class SpecState:
    """Eq. 1's accumulators.

    Attributes:
        relation_sum: R_sb, shape (M, M), for the estimator "batch"; sums of n, s, r, (3, M, M), for "counts".
        relation_weight: S for every pair, shape (M, M): a pair's weight moves only with its own evidence.
    """

    relation_sum: Array
    relation_weight: Array


class SpecTerms(NamedTuple):
    """One evaluation of L = L_E + alpha L_B.

    Attributes:
        total: L, a float, or shape (K,) without reduction.
        cross_entropy: L_E, reduced like `total`.
        relation_loss: L_B before alpha, reduced like `total`.
        gradient: the derivative of `total` (of its sum, without reduction) by the logits, (K, M).
    """

    total: Any
    cross_entropy: Any
    relation_loss: Any
    gradient: Array


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), evaluated with exponents of negative numbers only."""
    decayed = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, decayed) / (1.0 + decayed)


def initial_state(num_labels: int, *, estimator: str = "batch") -> SpecState:
    """Accumulators that have seen nothing.

    Args:
        num_labels: M.
        estimator: "batch" or "counts".
    """
    pairs = (num_labels, num_labels)
    return SpecState(np.zeros(pairs if estimator == "batch" else (3, *pairs)), np.zeros(pairs))


def update(
    state: SpecState,
    targets: ArrayLike,
    observed: ArrayLike | None = None,
    *,
    decay: float = 0.99,
    measure: str = "unit_pearson",
    estimator: str = "batch",
) -> SpecState:
    """Eq. 1 for one batch, each pair by itself; a pair the batch does not define is left exactly as it was.

    Args:
        state: the accumulators before the batch.
        targets: shape (K, M).
        observed: shape (K, M), bool.
        decay: lambda, in (0, 1].
        measure: what R_b is.
        estimator: "batch" accumulates R_b; "counts" accumulates n, s and r wherever n > 0.

    Returns:
        The accumulators after the batch.
    """
    counts = pair_counts(targets, observed)
    if estimator == "batch":
        evidence = measure_pairs(measure, counts)
        defined = ~np.isnan(evidence)
    else:
        evidence = np.stack(counts)
        defined = counts.n > 0
    relation_sum, relation_weight = state.relation_sum.copy(), state.relation_weight.copy()
    for i, j in zip(*np.nonzero(defined), strict=True):
        relation_sum[..., i, j] = decay * relation_sum[..., i, j] + evidence[..., i, j]  # Eq. 1, R_sb
        relation_weight[i, j] = decay * relation_weight[i, j] + 1  # Eq. 1, S
    return SpecState(relation_sum, relation_weight)


def relation(state: SpecState, *, measure: str = "unit_pearson") -> Array:
    """R_g of Eq. 1, shape (M, M), NaN where there is no evidence.

    Args:
        state: the accumulators of either estimator.
        measure: applied to the averaged counts for the estimator "counts"; unused for "batch".
    """
    average = np.full(state.relation_sum.shape, math.nan)
    np.divide(state.relation_sum, state.relation_weight, out=average, where=state.relation_weight > 0)  # Eq. 1, R_g
    if average.ndim == 2:
        return average
    n, s, r = np.where(state.relation_weight > 0, average, 0.0)
    return measure_pairs(measure, PairCounts(n, s, r))


def pair_codes(relation: ArrayLike, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2) -> PairCodes:
    """Eq. 3 for every ordered pair; the diagonal and undefined pairs are neither positive nor negative.

    Args:
        relation: R_g, shape (M, M), NaN where undefined.
        positive_threshold: r_p.
        negative_threshold: r_n.
    """
    r = np.asarray(relation, dtype=np.float64)
    different = ~np.eye(r.shape[0], dtype=bool)
    positive = (r >= positive_threshold) & different  # Eq. 3, f_p (a comparison with NaN is False)
    negative = (r <= negative_threshold) & different  # Eq. 3, f_n
    active = int((positive | negative).sum())
    return PairCodes(positive.astype(np.float64), negative.astype(np.float64), active)


def cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    observed: ArrayLike | None = None,
    *,
    pos_weight: ArrayLike | None = None,
) -> Array:
    """Eq. 4 for each sample: L_E,k, shape (K,); missing targets contribute nothing.

    Args:
        logits: x, shape (K, M).
        targets: y, shape (K, M), in [0, 1] or NaN.
        observed: shape (K, M), bool.
        pos_weight: shape (M,), the weight of the term with y.
    """
    x = np.asarray(logits).astype(np.float64)
    y, present = split_targets(targets, observed)
    weight = 1.0 if pos_weight is None else np.asarray(pos_weight, dtype=np.float64)
    log_p = -np.logaddexp(0.0, -x)
    log_not_p = -np.logaddexp(0.0, x)
    return -np.sum(present * (weight * y * log_p + (1 - y) * log_not_p), axis=1)  # Eq. 4


def cross_entropy_gradient(
    logits: ArrayLike,
    targets: ArrayLike,
    observed: ArrayLike | None = None,
    *,
    pos_weight: ArrayLike | None = None,
) -> Array:
    """The derivative of each sample's `cross_entropy` with respect to its logits, shape (K, M)."""
    x = np.asarray(logits).astype(np.float64)
    y, present = split_targets(targets, observed)
    weight = 1.0 if pos_weight is None else np.asarray(pos_weight, dtype=np.float64)
    return present * ((1 - y) * _sigmoid(x) - weight * y * _sigmoid(-x))


def _normaliser(codes: PairCodes, normalization: str) -> float:
    num_labels = codes.positive.shape[0]
    return 2.0 * num_labels**2 if normalization == "all_pairs" else 2.0 * max(codes.active, 1)


def relation_loss(logits: ArrayLike, codes: PairCodes, *, normalization: str = "all_pairs") -> Array:
    """Eq. 2 for each sample: L_B,k, shape (K,), whose mean over the batch is L_B.

    Args:
        logits: x, shape (K, M).
        codes: f_p and f_n.
        normalization: "all_pairs" divides by 2 M^2, as printed; "active_pairs" by 2 (active ordered pairs).
    """
    p = _sigmoid(np.asarray(logits).astype(np.float64))
    square = (p[:, :, None] - p[:, None, :]) ** 2
    together = codes.positive * square  # Eq. 2, first term
    apart = codes.negative * (1 - square) ** 2  # Eq. 2, second term
    return np.sum(together + apart, axis=(1, 2)) / _normaliser(codes, normalization)  # Eq. 2


def relation_loss_gradient(logits: ArrayLike, codes: PairCodes, *, normalization: str = "all_pairs") -> Array:
    """The derivative of each sample's `relation_loss` with respect to its logits, shape (K, M).

    p_i occurs in the terms (i, j) and (j, i) of Eq. 2, with opposite signs of the difference, so

        dL_B,k / dp_i = sum_j [ 2 P_ij d_ij - 4 N_ij (1 - d_ij^2) d_ij ] / normaliser

    with d_ij = p_i - p_j, P and N the sums of f_p and f_n over both orders, and dp_i / dx_i = p_i (1 - p_i).
    """
    x = np.asarray(logits).astype(np.float64)
    p = _sigmoid(x)
    d = p[:, :, None] - p[:, None, :]
    positive = codes.positive + codes.positive.T
    negative = codes.negative + codes.negative.T
    by_pair = 2 * positive * d - 4 * negative * (1 - d**2) * d
    by_probability = by_pair.sum(axis=2) / _normaliser(codes, normalization)
    return by_probability * p * _sigmoid(-x)


def reduce_samples(values: Array, reduction: str) -> Any:
    """The mean (0 for no samples), the sum, or the values themselves ("none")."""
    if reduction == "none":
        return values
    total = float(values.sum())
    return total if reduction == "sum" else total / max(len(values), 1)


def terms(
    logits: ArrayLike,
    targets: ArrayLike,
    observed: ArrayLike | None = None,
    *,
    codes: PairCodes,
    alpha: float = 0.5,
    normalization: str = "all_pairs",
    reduction: str = "mean",
    pos_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> SpecTerms:
    """L = L_E + alpha L_B, its terms and its gradient, for pairs that are already chosen.

    Args:
        logits: x, shape (K, M).
        targets: y, shape (K, M), in [0, 1] or NaN.
        observed: shape (K, M), bool.
        codes: f_p and f_n of the relation after this batch.
        alpha: the weight of L_B.
        normalization: "all_pairs" or "active_pairs".
        reduction: "mean", "sum" or "none".
        pos_weight: shape (M,).
        sample_weight: shape (K,), multiplies each sample's L_k; the mean still divides by K.
    """
    entropy = cross_entropy(logits, targets, observed, pos_weight=pos_weight)
    pairs = relation_loss(logits, codes, normalization=normalization)
    slope = cross_entropy_gradient(logits, targets, observed, pos_weight=pos_weight)
    slope = slope + alpha * relation_loss_gradient(logits, codes, normalization=normalization)
    weight = np.ones(len(entropy)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    per_sample = 1.0 / max(len(entropy), 1) if reduction == "mean" else 1.0
    return SpecTerms(
        total=reduce_samples(weight * (entropy + alpha * pairs), reduction),
        cross_entropy=reduce_samples(weight * entropy, reduction),
        relation_loss=reduce_samples(weight * pairs, reduction),
        gradient=per_sample * weight[:, None] * slope,
    )
