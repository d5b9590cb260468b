"""Automatic differentiation: the loss and its gradient in one pass, which the backward pass then scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from obrl.problem import Problem, evaluate
from obrl_tensorflow.namespace import TENSORFLOW, Tensor

Results = tuple[Tensor, ...]


def _one_pass(x: Tensor, problem: Problem, gradients_of: str, count: int) -> Results:
    """The first `count` terms, whose gradient with respect to the logits is computed with them."""

    @tf.custom_gradient
    def terms(x: Tensor) -> Any:
        values, gradients = evaluate(TENSORFLOW, x, problem, gradients_of=gradients_of)

        def backward(*upstream: Tensor) -> Tensor:
            def scaled(*upstream: Tensor) -> Tensor:
                return chain(gradients, upstream, alpha=problem.alpha, reduction=problem.reduction)

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
                gradients = evaluate(TENSORFLOW, x, problem, gradients_of="parts" if len(upstream) == 3 else "total")[1]
                formula = chain(gradients, upstream, alpha=problem.alpha, reduction=problem.reduction)
            return tape.gradient(
                formula, [x, *upstream], output_gradients=vector, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )

        return scaled(*upstream), backward

    return function(x, *upstream)


def chain(gradients: Results, upstream: Results, *, alpha: float, reduction: str) -> Tensor:
    """The gradient with respect to the logits.

    Args:
        gradients: of the first term with respect to the logits; or two, of L_E and of L_B.
        upstream: what arrives for each term: for the first, or for L, L_E and L_B.
        alpha: weight of L_B in L.
        reduction: of the terms; with `"none"` a number arrives for each sample.
    """
    if reduction == "none":
        upstream = tuple(factor[:, None] for factor in upstream)
    if len(gradients) == 1:
        return gradients[0] * upstream[0]
    total, cross_entropy, relation_loss = upstream  # L = L_E + alpha L_B hands its gradient on to both
    return gradients[0] * (total + cross_entropy) + gradients[1] * (alpha * total + relation_loss)


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
    return evaluate(TENSORFLOW, x, problem, gradients_of="none")[0][:count]
