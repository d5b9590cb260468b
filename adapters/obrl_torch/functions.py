"""Autograd: the loss and its gradient in one pass, which backward then scales.

Second derivatives, and those with respect to weights, come from differentiating the algebra itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from obrl import algebra
from obrl.algebra import PairLaplacians
from obrl_torch.namespace import TORCH


class Problem(NamedTuple):
    """A loss to evaluate at some logits, in the dtype to compute in.

    Attributes:
        targets: (batch, num_labels), finite; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch, 1), or None.
        pos_weight: (1, num_labels), or None.
        pairs: the pair weights.
        alpha: weight of L_B.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    targets: Tensor | None
    observed: Tensor | None
    sample_weight: Tensor | None
    pos_weight: Tensor | None
    pairs: PairLaplacians
    alpha: float
    reduction: str


def evaluate(logits: Tensor, problem: Problem, gradient: str) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The terms (L, L_E and L_B; or L_B alone), and their gradients.

    Args:
        logits: x, (batch, num_labels), in the dtype to compute in.
        problem: the loss.
        gradient: `"none"`, `"total"` (of the first term), or `"parts"` (of L_E and L_B).
    """
    shared: dict[str, Any] = {
        "reduction": problem.reduction,
        "rows": logits.shape[0],
    }
    if problem.targets is None:
        value, gradients = algebra.relation_loss(
            TORCH, logits, problem.sample_weight, problem.pairs, gradient=gradient != "none", **shared
        )
        return (value,), gradients
    return algebra.joint_loss(
        TORCH,
        logits,
        problem.targets,
        problem.observed,
        problem.sample_weight,
        problem.pos_weight,
        problem.pairs,
        alpha=problem.alpha,
        gradient=gradient,
        **shared,
    )


class _OnePass(torch.autograd.Function):
    """Terms whose gradients are computed with them."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, problem: Problem, dtype: torch.dtype, gradient: str) -> tuple[Tensor, ...]:
        terms, gradients = evaluate(logits.to(dtype), problem, gradient)
        # With the batch in autograd's hands, changing it before backward raises, as it does for any other loss.
        ctx.save_for_backward(logits, problem.targets, problem.observed, problem.sample_weight, *gradients)
        ctx.problem, ctx.dtype, ctx.gradient = problem, dtype, gradient
        ctx.set_materialize_grads(False)
        return terms if gradient == "parts" else terms[:1]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        logits, _, _, _, *gradients = ctx.saved_tensors
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            # A graph of the gradient is asked for: its formula, differentiable, in place of its value.
            gradients = list(evaluate(logits.to(ctx.dtype), ctx.problem, ctx.gradient)[1])
        gradient = scale_gradients(gradients, upstream, ctx.problem)
        return (None if gradient is None else gradient.to(logits.dtype)), None, None, None


def scale_gradients(
    gradients: Sequence[Tensor], upstream: tuple[Tensor | None, ...], problem: Problem
) -> Tensor | None:
    """The chain rule: each gradient times what arrives for its term."""
    if len(gradients) == 1:
        return _product(gradients[0], upstream[0], problem)
    total, cross_entropy, relation_loss = upstream
    by_entropy = _add(total, cross_entropy)
    by_relation = _add(None if total is None else problem.alpha * total, relation_loss)
    return _add(_product(gradients[0], by_entropy, problem), _product(gradients[1], by_relation, problem))


def _product(gradient: Tensor, factor: Tensor | None, problem: Problem) -> Tensor | None:
    if factor is None:
        return None
    return gradient * (factor[:, None] if problem.reduction == "none" else factor)


def _add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def differentiable_terms(
    logits: Tensor, problem: Problem, *, dtype: torch.dtype, impl: str, parts: bool
) -> tuple[Tensor, ...]:
    """The terms, ready for backward.

    Args:
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        problem: the loss.
        dtype: to compute in.
        impl: `"auto"` computes the gradient with the value where one is needed; `"plain"` leaves it to autograd.
        parts: whether L_E and L_B are wanted too, ready to be differentiated on their own.
    """
    others = (problem.targets, problem.sample_weight, problem.pos_weight)
    one_pass = (
        impl == "auto"
        and torch.is_grad_enabled()
        and logits.requires_grad
        and not any(other is not None and other.requires_grad for other in others)
    )
    if not one_pass:
        return evaluate(logits.to(dtype), problem, "none")[0]
    gradient = "parts" if parts and problem.targets is not None else "total"
    result: tuple[Tensor, ...] = _OnePass.apply(logits, problem, dtype, gradient)
    return result
