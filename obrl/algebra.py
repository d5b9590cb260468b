"""Eq. 2 and Eq. 4 with their gradients, in matrix products.

Only differences of probabilities occur in Eq. 2, so they are centred: q = p - 1/2. Write A and B for the symmetric
weights of the positive and the negative pairs, L_A = diag(A 1) - A and L_B for their graph Laplacians (L_B is not the
relation loss here), and powers and products of vectors elementwise. For one sample

    sum_ij A_ij (q_i - q_j)^2           =  2 q . L_A q
    sum_ij B_ij (1 - (q_i - q_j)^2)^2   =  1 . B 1 - 4 q . L_B q + 2 q . h
    h = L_B q^3 + 3 (q^2 (L_B q) - q (L_B q^2))

(the last because 8 h is the gradient of the quartic form, and a form of degree 4 is a quarter of q times its gradient).
With g = (L_A - 2 L_B) q,

    value = 1 . B 1 + 2 q . (g + h),    d value / dp = 4 g + 8 h,    dp / dx = 1/4 - q^2.

That takes four (batch, M) x (M, M) products, and no temporary larger than those.
"""

from __future__ import annotations

from typing import NamedTuple

from obrl.namespace import Array, Namespace


class PairLaplacians(NamedTuple):
    """The pair weights A and B of Eq. 2, as the matrices that a batch is multiplied with.

    Attributes:
        mixed: L_A - 2 L_B, (num_labels, num_labels).
        negative: L_B, (num_labels, num_labels).
        negative_total: 1 . B 1, a scalar array: the loss of a sample whose probabilities are all equal, before `scale`.
        scale: 1 / (2 M^2), or 1 / (2 active pairs); a number or a scalar array.
    """

    mixed: Array
    negative: Array
    negative_total: Array
    scale: Array | float


def pair_laplacians(
    ns: Namespace,
    positive: Array,
    negative: Array,
    *,
    num_labels: int,
    symmetric: bool,
    normalization: str,
    like: Array,
) -> PairLaplacians:
    """Build both Laplacians from the pairs that Eq. 3 selects.

    Args:
        ns: the framework's functions.
        positive: f_p as bool, or any non-negative weights; (num_labels, num_labels), zero on the diagonal.
        negative: f_n, likewise.
        num_labels: M.
        symmetric: whether both are symmetric already.
        normalization: `"all_pairs"`, or `"active_pairs"`: the sum of the weights (1 if that is 0) in place of M^2.
        like: an array of the dtype to compute in.
    """
    a, b = ns.small_integers(positive), ns.small_integers(negative)
    if not symmetric:
        a, b = a + ns.transpose(a), b + ns.transpose(b)
    mixed, negative = ns.cast((b + b) - a, like=like), ns.cast(-b, like=like)
    if not symmetric:
        mixed, negative = mixed * 0.5, negative * 0.5
    mixed_degrees, negative_degrees = (-ns.sum(part, axis=0, keepdims=True) for part in (mixed, negative))
    negative_total = ns.sum(negative_degrees)
    return PairLaplacians(
        mixed=ns.set_diagonal(mixed, mixed_degrees),  # L_W = diag(W 1) - W
        negative=ns.set_diagonal(negative, negative_degrees),
        negative_total=negative_total,
        scale=_pair_scale(ns, mixed_degrees, negative_total, num_labels=num_labels, normalization=normalization),
    )


def coded_laplacians(ns: Namespace, code: Array, *, normalization: str, like: Array) -> PairLaplacians:
    """Build both Laplacians from coded pairs, as kernels and native code write them.

    Args:
        ns: the framework's functions.
        code: a + 4 b for every pair, (num_labels, num_labels), integer, where a = f_p + f_p^T and b = f_n + f_n^T:
            twice the symmetric weights A and B, each 0, 1 or 2.
        normalization: as in `pair_laplacians`.
        like: an array of the dtype to compute in.
    """
    negative = code // 4
    positive = code - negative * 4
    return pair_laplacians(
        ns,
        ns.cast(positive, like=like) * 0.5,
        ns.cast(negative, like=like) * 0.5,
        num_labels=code.shape[0],
        symmetric=True,
        normalization=normalization,
        like=like,
    )


def _pair_scale(
    ns: Namespace, mixed_degrees: Array, negative_total: Array, *, num_labels: int, normalization: str
) -> Array | float:
    """What a sample's sum over all pairs is multiplied by; the degrees are the diagonal of L_A - 2 L_B."""
    if normalization == "all_pairs":
        return 0.5 / num_labels**2  # Eq. 2: 1 / (2 M^2); the 1/K is the reduction's
    active = ns.sum(mixed_degrees) + 3.0 * negative_total  # 1 . (A - 2 B) 1 + 3 (1 . B 1)
    return 0.5 / ns.where(active > 0, active, 1.0)


class Terms(NamedTuple):
    """One loss before its reduction: a sample's loss is `scale` times the sum of its row, plus `constant`.

    The scales are multiplied in after the sums, which spares a pass over the batch.

    Attributes:
        elementwise: (batch, num_labels).
        scale: a number or a scalar array.
        constant: a scalar array, the same for every sample; None for 0.
        gradient: `gradient_scale` times this is the gradient of every sample's loss with respect to its logits,
            (batch, num_labels); None where it was not asked for.
        gradient_scale: a number or a scalar array.
    """

    elementwise: Array
    scale: Array | float
    constant: Array | None
    gradient: Array
    gradient_scale: Array | float


class LossTerms(NamedTuple):
    """L and its two parts, each a scalar, or (batch,) with `reduction="none"`.

    Attributes:
        total: L = L_E + alpha L_B.
        cross_entropy: L_E of Eq. 4, or of the function that takes its place.
        relation_loss: L_B of Eq. 2, before alpha.

    Example:
        >>> from obrl import OBRLoss
        >>> terms = OBRLoss(3, alpha=0.5).terms([[0.0, 0.0, 0.0]] * 2, [[1, 1, 0], [0, 0, 1]])
        >>> round(terms.cross_entropy, 4), round(terms.relation_loss, 4)
        (2.0794, 0.2222)
        >>> terms.total == terms.cross_entropy + 0.5 * terms.relation_loss
        True
    """

    total: Array
    cross_entropy: Array
    relation_loss: Array


def relation_terms(ns: Namespace, p: Array, pairs: PairLaplacians, *, with_gradient: bool) -> Terms:
    """Eq. 2 without its 1/K, as derived at the top of this file.

    Args:
        ns: the framework's functions.
        p: probabilities, (batch, num_labels).
        pairs: the pair weights.
        with_gradient: whether to compute the gradient.
    """
    q = p - 0.5
    q2 = q * q
    g = ns.matmul(q, pairs.mixed)  # (L_A - 2 L_B) q
    spread = q2 * ns.matmul(q, pairs.negative) - q * ns.matmul(q2, pairs.negative)
    h = ns.matmul(q2 * q, pairs.negative) + 3.0 * spread
    return Terms(
        elementwise=q * (g + h),  # value = 1 . B 1 + 2 q . (g + h)
        scale=2.0 * pairs.scale,
        constant=pairs.scale * pairs.negative_total,
        gradient=(0.25 - q2) * (g + 2.0 * h) if with_gradient else None,  # dp/dx (4 g + 8 h)
        gradient_scale=4.0 * pairs.scale,
    )


def cross_entropy_terms(
    ns: Namespace,
    logits: Array,
    p: Array,
    targets: Array,
    observed: Array | None,
    pos_weight: Array | None,
    *,
    with_gradient: bool,
) -> Terms:
    """Eq. 4 without its 1/K.

    Args:
        ns: the framework's functions.
        logits: x, (batch, num_labels).
        p: probabilities, the same shape.
        targets: y in [0, 1], the same shape and dtype; any finite number where not observed.
        observed: bool, the same shape, or None where all are.
        pos_weight: weight of each label's positives, (1, num_labels), or None.
        with_gradient: whether to compute the gradient.
    """
    log_p = ns.log_sigmoid(logits)
    rest = 1.0 - targets
    if pos_weight is None:
        value = rest * logits - log_p  # Eq. 4, with log(1 - p) = log p - x
        slope = p - targets if with_gradient else None
    else:
        positive = pos_weight * targets
        value = rest * logits - (positive + rest) * log_p
        slope = (positive + rest) * p - positive if with_gradient else None
    if observed is not None:
        value = ns.where(observed, value, 0.0)
        slope = None if slope is None else ns.where(observed, slope, 0.0)
    return Terms(value, 1.0, None, slope, 1.0)
