"""Automatic differentiation: the loss and its gradient in one pass, which the backward pass then scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from obrl import algebra
from obrl.algebra import PairLaplacians
from obrl_tensorflow.namespace import TENSORFLOW, Tensor


class Problem(NamedTuple):
    """A loss as a function of the logits; its arrays are in the dtype to compute in.

    Attributes:
        targets: (batch, num_labels), finite; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch, 1), or None.
        pos_weight: (1, num_labels), or None.
        pairs: the pair weights.
        alpha: weight of L_B.
        reduction: `"mean"`, `"sum"` or `"none"`.
        rows: the size of the batch: an int, or a scalar tensor.
    """

    targets: Tensor | None
    observed: Tensor | None
    sample_weight: Tensor | None
    pos_weight: Tensor | None
    pairs: PairLaplacians
    alpha: float
    reduction: str
    rows: int | Tensor

    @property
    def share(self) -> float | Tensor:
        """The factor from a sum over the batch to the reduction: 1/K for a mean, where a graph may not know K yet."""
        if self.reduction != "mean":
            return 1.0
        return 1.0 / max(self.rows, 1) if isinstance(self.rows, int) else 1.0 / tf.maximum(self.rows, 1.0)


Results = tuple[Tensor, ...]


def evaluate(x: Tensor, problem: Problem, gradient: str) -> tuple[Results, Results]:
    """The terms (L, L_E and L_B; or L_B alone), and their gradients before they are multiplied by `problem.share`.

    Args:
        x: logits, (batch, num_labels), in the dtype to compute in.
        problem: the loss.
        gradient: `"none"`, `"total"` (of the first term), or `"parts"` (of L_E and L_B).
    """
    shared: dict[str, Any] = {
        "reduction": "none" if problem.reduction == "none" else "sum",
        "rows": problem.rows,
    }
    values: Sequence[Tensor]
    if problem.targets is None:
        value, gradients = algebra.relation_loss(
            TENSORFLOW, x, problem.sample_weight, problem.pairs, gradient=gradient != "none", **shared
        )
        values = (value,)
    else:
        arrays = (problem.targets, problem.observed, problem.sample_weight, problem.pos_weight, problem.pairs)
        values, gradients = algebra.joint_loss(TENSORFLOW, x, *arrays, alpha=problem.alpha, gradient=gradient, **shared)
    return tuple(value * problem.share for value in values), gradients


def _one_pass(x: Tensor, problem: Problem, gradient: str, count: int) -> Results:
    """The first `count` terms, whose gradient with respect to the logits is computed with them."""

    @tf.custom_gradient
    def terms(x: Tensor) -> Any:
        values, gradients = evaluate(x, problem, gradient)

        def backward(*upstream: Tensor) -> Tensor:
            def scaled(*upstream: Tensor) -> Tensor:
                return _scale(gradients, upstream, problem)

            return logits_gradient(x, upstream, scaled, lambda: problem)

        return values[:count], backward

    return tuple(terms(x))


def logits_gradient(
    x: Tensor, upstream: Results, scaled: Callable[..., Tensor], make_problem: Callable[[], Problem]
) -> Tensor:
    """The gradient with respect to the logits; a second derivative differentiates the algebra's formula for it.

    Args:
        x: logits, (batch, num_labels).
        upstream: the gradient that arrives for each term.
        scaled: gives the gradient with respect to the logits from those that arrive.
        make_problem: gives the loss, for a second derivative only; of its terms L is differentiated, or L_E and L_B
            where three gradients arrive.
    """

    @tf.custom_gradient
    def function(x: Tensor, *upstream: Tensor) -> Any:
        def backward(vector: Tensor) -> Any:
            problem = make_problem()
            with tf.GradientTape() as tape:
                tape.watch([x, *upstream])
                gradients = evaluate(x, problem, "parts" if len(upstream) == 3 else "total")[1]
                formula = _scale(gradients, upstream, problem)
            return tape.gradient(
                formula, [x, *upstream], output_gradients=vector, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )

        return scaled(*upstream), backward

    return function(x, *upstream)


def _scale(gradients: Results, upstream: Results, problem: Problem) -> Tensor:
    return chain_rule(gradients, upstream, alpha=problem.alpha, reduction=problem.reduction, share=problem.share)


def chain_rule(
    gradients: Results, upstream: Results, *, alpha: float, reduction: str, share: float | Tensor = 1.0
) -> Tensor:
    """The gradient with respect to the logits, from those of L (or of L_E and L_B) and from those that arrive.

    Args:
        gradients: of L with respect to the logits; or two, of L_E and of L_B.
        upstream: the gradient that arrives for each term.
        alpha: weight of L_B in L.
        reduction: with `"none"` a gradient arrives for each sample, (batch,), else one scalar.
        share: as `Problem.share`.
    """

    def by_row(factor: Tensor) -> Tensor:
        return factor[:, None] if reduction == "none" else factor * share

    if len(gradients) == 1:
        return gradients[0] * by_row(upstream[0])
    total, cross_entropy, relation_loss = upstream
    return gradients[0] * by_row(total + cross_entropy) + gradients[1] * by_row(alpha * total + relation_loss)


def differentiable_terms(logits: Tensor, problem: Problem, *, dtype: tf.DType, impl: str, parts: bool) -> Results:
    """The terms, ready to be differentiated.

    Args:
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        problem: the loss.
        dtype: to compute in.
        impl: `"plain"` leaves the gradient to TensorFlow, with respect to targets and weights too; others compute it
            with the value, with respect to the logits alone.
        parts: whether to return L_E and L_B too, ready to be differentiated on their own.
    """
    x = tf.cast(logits, dtype)
    count = 3 if parts and problem.targets is not None else 1
    if impl != "plain":
        return _one_pass(x, problem, "parts" if count == 3 else "total", count)
    return evaluate(x, problem, "none")[0][:count]
