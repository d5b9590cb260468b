"""Eq. 2 and Eq. 4 with their gradients, in matrix products.

Only differences of probabilities occur in Eq. 2, so they are centred: q = p - 1/2 = tanh(x / 2) / 2. Write A and B
for the symmetric weights of the positive and the negative pairs, L_A = diag(A 1) - A and L_B for their graph
Laplacians, and powers and products of vectors elementwise. For one sample

    sum_ij A_ij (q_i - q_j)^2           =  2 q . L_A q
    sum_ij B_ij (1 - (q_i - q_j)^2)^2   =  1 . B 1 - 4 q . L_B q + 2 q . h
    h = L_B q^3 + 3 q^2 (L_B q) - 3 q (L_B q^2)

(the last because the quartic form's gradient is 8 h, and a form of degree 4 is a quarter of q times its gradient). So
with g = (L_A - 2 L_B) q

    value = 1 . B 1 + 2 q . (g + h),    d value / dp = 4 g + 8 h,    dp / dx = 1/4 - q^2,

which takes four (batch, M) x (M, M) products and no temporary larger than that.
"""

from __future__ import annotations

from typing import NamedTuple

from obrl.namespace import Array, Namespace


class PairLaplacians(NamedTuple):
    """What the algebra needs of the pair weights A and B.

    Attributes:
        mixed: L_A - 2 L_B, (num_labels, num_labels).
        negative: L_B, (num_labels, num_labels).
        negative_total: 1 . B 1, what a sample without any difference costs.
        active: the sum of A + B, the number of active ordered pairs; at least 1.
    """

    mixed: Array
    negative: Array
    negative_total: Array
    active: Array


def pair_laplacians(ns: Namespace, positive: Array, negative: Array, *, symmetric: bool, like: Array) -> PairLaplacians:
    """Prepare the pair weights.

    Args:
        ns: the framework's functions.
        positive: f_p, or any non-negative weights, (num_labels, num_labels), zero on the diagonal.
        negative: f_n, likewise.
        symmetric: whether both are symmetric already.
        like: an array of the dtype to compute in.
    """
    a, b = ns.cast(positive, like=like), ns.cast(negative, like=like)
    if not symmetric:
        a, b = (a + ns.transpose(a)) * 0.5, (b + ns.transpose(b)) * 0.5
    mixed = a - 2.0 * b
    degree_mixed = ns.sum(mixed, axis=0, keepdims=True)
    degree_negative = ns.sum(b, axis=0, keepdims=True)
    total = ns.sum(degree_negative)
    active = ns.sum(degree_mixed) + 3.0 * total
    diagonal = ns.eye(like=a)
    return PairLaplacians(
        mixed=ns.where(diagonal, degree_mixed, -mixed),
        negative=ns.where(diagonal, degree_negative, -b),
        negative_total=total,
        active=ns.where(active > 0, active, 1.0),
    )


def centred_probabilities(ns: Namespace, logits: Array) -> Array:
    """The centred probabilities, q = sigmoid(x) - 1/2."""
    return ns.tanh(logits * 0.5) * 0.5


class Terms(NamedTuple):
    """One loss, not yet reduced.

    Attributes:
        elementwise: (batch, num_labels); a sample's loss is the sum of its row, plus `constant`.
        constant: a number or a scalar array, the same for every sample; None for 0.
        gradient: of every sample's loss with respect to its logits, (batch, num_labels), or None.
    """

    elementwise: Array
    constant: Array
    gradient: Array


class LossTerms(NamedTuple):
    """L and its two parts, each a scalar, or (batch,) with `reduction="none"`.

    Attributes:
        total: L = L_E + alpha L_B.
        cross_entropy: L_E of Eq. 4.
        relation_loss: L_B of Eq. 2, before alpha.
    """

    total: Array
    cross_entropy: Array
    relation_loss: Array


def relation_terms(ns: Namespace, q: Array, pairs: PairLaplacians, *, normalization: str, gradient: bool) -> Terms:
    """Eq. 2 without its 1/K.

    Args:
        ns: the framework's functions.
        q: centred probabilities, (batch, num_labels).
        pairs: the pair weights.
        normalization: `"all_pairs"` or `"active_pairs"`.
        gradient: whether to compute the gradient.
    """
    q2 = q * q
    g = ns.matmul(q, pairs.mixed)
    spread = q2 * ns.matmul(q, pairs.negative) - q * ns.matmul(q2, pairs.negative)
    h = ns.matmul(q2 * q, pairs.negative) + 3.0 * spread
    pairs_counted = float(q.shape[1] ** 2) if normalization == "all_pairs" else pairs.active
    scale = 0.5 / pairs_counted  # Eq. 2: 1 / (2 M^2); the 1/K is the reduction's
    return Terms(
        elementwise=(2.0 * scale) * (q * (g + h)),
        constant=scale * pairs.negative_total,
        gradient=(4.0 * scale) * ((g + 2.0 * h) * (0.25 - q2)) if gradient else None,
    )


def cross_entropy_terms(
    ns: Namespace,
    logits: Array,
    q: Array,
    targets: Array,
    observed: Array | None,
    pos_weight: Array | None,
    *,
    gradient: bool,
) -> Terms:
    """Eq. 4 without its 1/K.

    Args:
        ns: the framework's functions.
        logits: x, (batch, num_labels).
        q: centred probabilities, the same shape.
        targets: y in [0, 1], the same shape and dtype; any finite number where not observed.
        observed: bool, the same shape, or None where all are.
        pos_weight: weight of each label's positives, (1, num_labels), or None.
        gradient: whether to compute the gradient.
    """
    log_p = ns.log_sigmoid(logits)
    if pos_weight is None:
        value = (1.0 - targets) * logits - log_p  # Eq. 4, with log(1 - p) = log p - x
        slope = q + (0.5 - targets) if gradient else None
    else:
        positive, negative = pos_weight * targets, 1.0 - targets
        value = negative * logits - (positive + negative) * log_p
        slope = (positive + negative) * (q + 0.5) - positive if gradient else None
    if observed is not None:
        value = ns.where(observed, value, 0.0)
        slope = None if slope is None else ns.where(observed, slope, 0.0)
    return Terms(value, None, slope)


def reduce_terms(ns: Namespace, terms: Terms, sample_weight: Array | None, *, reduction: str, rows: int) -> Array:
    """Reduce w_k times the loss of each sample.

    Args:
        ns: the framework's functions.
        terms: the loss.
        sample_weight: w, (batch, 1), or None for 1.
        reduction: `"mean"` over all rows (never divided by the sum of w; 0 without a row), `"sum"` or `"none"`.
        rows: the size of the batch.

    Returns:
        A scalar array, or (batch,) with `"none"`.
    """
    if reduction == "none":
        value = ns.sum(terms.elementwise, axis=1, keepdims=True)
        value = value if terms.constant is None else value + terms.constant
        return ns.sum(value if sample_weight is None else value * sample_weight, axis=1)
    value = ns.sum(terms.elementwise if sample_weight is None else terms.elementwise * sample_weight)
    if terms.constant is not None:
        value = value + terms.constant * (rows if sample_weight is None else ns.sum(sample_weight))
    return value if reduction == "sum" else value / max(rows, 1)


def reduce_gradient(gradient: Array, sample_weight: Array | None, *, reduction: str, rows: int) -> Array:
    """The gradient of the reduced loss; with `"none"`, row k is the gradient of sample k's loss."""
    if sample_weight is not None:
        gradient = gradient * sample_weight
    return gradient / max(rows, 1) if reduction == "mean" else gradient


def joint_loss(
    ns: Namespace,
    logits: Array,
    targets: Array,
    observed: Array | None,
    sample_weight: Array | None,
    pos_weight: Array | None,
    pairs: PairLaplacians,
    *,
    alpha: float,
    normalization: str,
    reduction: str,
    rows: int,
    gradient: str,
) -> tuple[LossTerms, tuple[Array, ...]]:
    """L = L_E + alpha L_B and its gradient with respect to the logits, in one pass.

    The arguments are those of `cross_entropy_terms`, `relation_terms` and `reduce_terms`, and `gradient`, which is
    `"none"`, `"total"` (of L) or `"parts"` (of L_E and of L_B).

    Returns:
        The reduced terms, and the gradients asked for.
    """
    q = centred_probabilities(ns, logits)
    slopes = gradient != "none"
    entropy = cross_entropy_terms(ns, logits, q, targets, observed, pos_weight, gradient=slopes)
    relation = relation_terms(ns, q, pairs, normalization=normalization, gradient=slopes)
    cross_entropy = reduce_terms(ns, entropy, sample_weight, reduction=reduction, rows=rows)
    relation_loss = reduce_terms(ns, relation, sample_weight, reduction=reduction, rows=rows)
    terms = LossTerms(cross_entropy + alpha * relation_loss, cross_entropy, relation_loss)
    parts: tuple[Array, ...] = ()
    if gradient == "total":
        parts = (entropy.gradient + alpha * relation.gradient,)
    elif gradient == "parts":
        parts = (entropy.gradient, relation.gradient)
    return terms, tuple(reduce_gradient(part, sample_weight, reduction=reduction, rows=rows) for part in parts)


def relation_loss(
    ns: Namespace,
    logits: Array,
    sample_weight: Array | None,
    pairs: PairLaplacians,
    *,
    normalization: str,
    reduction: str,
    rows: int,
    gradient: bool,
) -> tuple[Array, tuple[Array, ...]]:
    """L_B alone and, if asked, its gradient with respect to the logits, in one pass."""
    q = centred_probabilities(ns, logits)
    terms = relation_terms(ns, q, pairs, normalization=normalization, gradient=gradient)
    value = reduce_terms(ns, terms, sample_weight, reduction=reduction, rows=rows)
    if not gradient:
        return value, ()
    return value, (reduce_gradient(terms.gradient, sample_weight, reduction=reduction, rows=rows),)
