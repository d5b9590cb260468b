"""Automatic differentiation: the loss and its gradient in one pass, which the backward pass then scales."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import Array

from obrl import algebra
from obrl.algebra import PairLaplacians
from obrl_jax.namespace import JAX


class Problem(NamedTuple):
    """The arrays of a loss beside the logits, in the dtype to compute in.

    Attributes:
        targets: (batch, num_labels), finite; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch, 1), or None.
        pos_weight: (1, num_labels), or None.
        pairs: the pair weights.
    """

    targets: Array | None
    observed: Array | None
    sample_weight: Array | None
    pos_weight: Array | None
    pairs: PairLaplacians


class Static(NamedTuple):
    """What is known before any array is: the weight of L_B, the reduction, and whether L_E and L_B are wanted too."""

    alpha: float
    reduction: str
    parts: bool


Results = tuple[Array, ...]


def evaluate(static: Static, logits: Array, problem: Problem, *, gradient: str) -> tuple[Results, Results]:
    """The terms (L, and with `parts` L_E and L_B; or L_B alone), and their gradients.

    Args:
        static: the rest of the loss.
        logits: x, (batch, num_labels), in any floating point dtype.
        problem: the arrays.
        gradient: `"none"`, `"total"` (of the first term) or `"parts"` (of L_E and L_B).
    """
    x = JAX.cast(logits, like=problem.pairs.mixed)
    shared: dict[str, Any] = {"reduction": static.reduction, "rows": logits.shape[0]}
    if problem.targets is None:
        value, gradients = algebra.relation_loss(
            JAX, x, problem.sample_weight, problem.pairs, gradient=gradient != "none", **shared
        )
        return (value,), gradients
    arrays = (problem.targets, problem.observed, problem.sample_weight, problem.pos_weight, problem.pairs)
    terms, gradients = algebra.joint_loss(JAX, x, *arrays, alpha=static.alpha, gradient=gradient, **shared)
    return (tuple(terms) if static.parts else (terms.total,)), gradients


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _one_pass(static: Static, logits: Array, problem: Problem) -> Results:
    """Terms whose gradients with respect to the logits are computed with them."""
    return evaluate(static, logits, problem, gradient="none")[0]


def _forward(static: Static, logits: Array, problem: Problem) -> tuple[Results, Any]:
    wanted = "parts" if static.parts and problem.targets is not None else "total"
    terms, gradients = evaluate(static, logits, problem, gradient=wanted)
    return terms, (logits, problem, gradients)


def _backward(static: Static, saved: Any, upstream: Results) -> tuple[Array, Problem]:
    logits, problem, gradients = saved
    gradient = _scale(static, gradients, upstream)
    return gradient.astype(logits.dtype), _gradients_of_data(static, logits, problem, upstream)


_one_pass.defvjp(_forward, _backward)


def _scale(static: Static, gradients: Sequence[Array], upstream: Results) -> Array:
    """The chain rule: each gradient times what arrives for its term."""

    def by_row(factor: Array) -> Array:
        return factor[:, None] if static.reduction == "none" else factor

    if len(gradients) == 1:
        return gradients[0] * by_row(upstream[0])
    total, cross_entropy, relation_loss = upstream
    by_relation = static.alpha * total + relation_loss
    return gradients[0] * by_row(total + cross_entropy) + gradients[1] * by_row(by_relation)


def _gradients_of_data(static: Static, logits: Array, problem: Problem, upstream: Results) -> Problem:
    """The gradients with respect to targets and weights, by differentiating the algebra; jit drops them where unused.

    The relation gets none: it comes from the targets, but no gradient flows through it.
    """

    def terms(data: Problem) -> Results:
        full = data._replace(observed=problem.observed, pairs=problem.pairs)
        return evaluate(static, logits, full, gradient="none")[0]

    data = problem._replace(observed=None, pairs=None)  # type: ignore[arg-type]
    (gradients,) = jax.vjp(terms, data)[1](upstream)
    found: Problem = gradients
    return found


def differentiable_terms(static: Static, logits: Array, problem: Problem, *, impl: str) -> Results:
    """The terms, ready to be differentiated.

    Args:
        static: the rest of the loss.
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        problem: the arrays.
        impl: `"auto"` computes the gradient with the value, in reverse mode alone; `"plain"` leaves it to JAX, in
            forward mode too.
    """
    if impl == "auto":
        terms: Results = _one_pass(static, logits, problem)
        return terms
    return evaluate(static, logits, problem, gradient="none")[0]
