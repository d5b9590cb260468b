"""A loss as a function of the logits: its terms, how they are reduced, and their gradients, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from obrl.algebra import PairLaplacians, Terms, cross_entropy_terms, relation_terms
from obrl.namespace import Array, Namespace


class Reduction(NamedTuple):
    """How the losses of the samples become one; the attributes are those of `Problem`.

    Attributes:
        name: `"mean"`, `"sum"` or `"none"`.
        sample_weight: w, (batch, 1), or None for 1.
        rows: the size of the batch.
    """

    name: str
    sample_weight: Array | None
    rows: int | Array


class Problem(NamedTuple):
    """A loss as a function of the logits: L = L_E + alpha L_B, or L_B alone.

    Attributes:
        targets: y in [0, 1], (batch, num_labels), any finite number where not observed; None for L_B alone.
        observed: bool, the same shape, or None where all are.
        sample_weight: w, (batch, 1), or None for 1.
        pos_weight: weight of each label's positives, (1, num_labels), or None.
        pairs: the pair weights.
        alpha: weight of L_B.
        reduction: `"mean"` over all rows (never divided by the sum of w; 0 without a row), `"sum"` or `"none"`.
        rows: the size of the batch, an int; where a graph does not know it, a scalar array in the dtype to compute in.
    """

    targets: Array | None
    observed: Array | None
    sample_weight: Array | None
    pos_weight: Array | None
    pairs: PairLaplacians
    alpha: float
    reduction: str
    rows: int | Array


def evaluate(
    ns: Namespace, logits: Array, problem: Problem, *, gradients_of: str
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The terms of a loss and their gradients with respect to the logits, in one pass.

    Args:
        ns: the framework's functions.
        logits: x, (batch, num_labels), in the dtype to compute in, which is that of the problem.
        problem: the loss.
        gradients_of: `"none"`, `"total"` (of the first term), or `"parts"` (of L_E and of L_B, where there are both).

    Returns:
        L, L_E and L_B (before alpha), or L_B alone, each a scalar array, or (batch,) with the reduction `"none"`; and
        the gradients, (batch, num_labels), whose row k is that of sample k's loss with the reduction `"none"`.
    """
    with_gradient = gradients_of != "none"
    p = ns.sigmoid(logits)
    reduction = Reduction(problem.reduction, problem.sample_weight, problem.rows)
    relation = relation_terms(ns, p, problem.pairs, with_gradient=with_gradient)
    relation_loss = _reduce(ns, relation, reduction)
    if problem.targets is None:
        return (relation_loss,), (_reduce_gradient(ns, [(1.0, relation)], reduction),) if with_gradient else ()
    entropy = cross_entropy_terms(
        ns, logits, p, problem.targets, problem.observed, problem.pos_weight, with_gradient=with_gradient
    )
    cross_entropy = _reduce(ns, entropy, reduction)
    weighted_terms: list[list[tuple[float, Terms]]] = {
        "none": [],
        "total": [[(1.0, entropy), (problem.alpha, relation)]],
        "parts": [[(1.0, entropy)], [(1.0, relation)]],
    }[gradients_of]
    terms = (cross_entropy + problem.alpha * relation_loss, cross_entropy, relation_loss)
    return terms, tuple(_reduce_gradient(ns, part, reduction) for part in weighted_terms)


def joint_terms(
    ns: Namespace,
    losses: Array,
    observed: Array | None,
    relation_loss: Array,
    reduction: Reduction,
    *,
    alpha: float,
) -> tuple[Array, Array, Array]:
    """L, L_E and L_B where a function, not Eq. 4, has given the elementwise losses of L_E.

    Args:
        ns: the framework's functions.
        losses: (batch, num_labels), any number or NaN where not observed.
        observed: bool, the same shape, or None where all are.
        relation_loss: L_B, reduced.
        reduction: of L_E.
        alpha: weight of L_B.
    """
    entropy = Terms(_observed(ns, losses, observed), 1.0, None, None, 1.0)
    cross_entropy = _reduce(ns, entropy, reduction)
    return cross_entropy + alpha * relation_loss, cross_entropy, relation_loss


def joint_gradient(
    ns: Namespace,
    slopes: Array,
    observed: Array | None,
    relation_gradient: Array,
    reduction: Reduction,
    *,
    alpha: float,
) -> Array:
    """The gradient of L where a function has given that of its losses, `slopes`; the rest as in `joint_terms`."""
    entropy = Terms(slopes, 1.0, None, _observed(ns, slopes, observed), 1.0)
    return _reduce_gradient(ns, [(1.0, entropy)], reduction) + alpha * relation_gradient


def _observed(ns: Namespace, values: Array, observed: Array | None) -> Array:
    """The values of a function, and 0 where a target is missing, whatever they are there."""
    return values if observed is None else ns.where(observed, values, 0.0)


def _reduce(ns: Namespace, terms: Terms, reduction: Reduction) -> Array:
    """Reduce w_k times the loss of each sample."""
    weight = reduction.sample_weight
    if reduction.name == "none":
        value = ns.sum(terms.elementwise, axis=1, keepdims=True) * terms.scale
        if terms.constant is not None:
            value = value + terms.constant
        return ns.sum(value if weight is None else value * weight, axis=1)
    share = _share(ns, reduction)
    value = ns.sum(terms.elementwise if weight is None else terms.elementwise * weight) * (terms.scale * share)
    if terms.constant is None:
        return value
    total_weight = reduction.rows if weight is None else ns.sum(weight)
    return value + terms.constant * (total_weight * share)


def _reduce_gradient(ns: Namespace, weighted_terms: Sequence[tuple[float, Terms]], reduction: Reduction) -> Array:
    """The gradient of a sum of reduced losses, each with its factor."""
    share = _share(ns, reduction)
    parts = [terms.gradient * (factor * share * terms.gradient_scale) for factor, terms in weighted_terms]
    total = sum(parts[1:], start=parts[0])
    return total if reduction.sample_weight is None else total * reduction.sample_weight


def _share(ns: Namespace, reduction: Reduction) -> Array | float:
    """What a sum over the batch is multiplied by: 1/K for a mean, where an empty batch counts as one row."""
    if reduction.name != "mean":
        return 1.0
    rows = reduction.rows
    return 1.0 / max(rows, 1) if isinstance(rows, int) else 1.0 / ns.where(rows > 0, rows, 1.0)
