"""Autograd: the loss and its gradient in one pass, which backward then scales.

Second derivatives, and those with respect to weights, come from differentiating the algebra itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from obrl import algebra
from obrl.algebra import PairLaplacians
from obrl_torch.namespace import TORCH

IMPLEMENTATIONS = ("auto", "plain")


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
    def forward(ctx: Any, logits: Tensor, dtype: torch.dtype, gradient: str, *flat: Any) -> tuple[Tensor, ...]:
        problem = _unflatten(flat)
        terms, gradients = evaluate(logits.to(dtype), problem, gradient)
        tensors = [value for value in flat if isinstance(value, Tensor)]
        ctx.save_for_backward(logits, *gradients, *tensors)
        ctx.places = [isinstance(value, Tensor) for value in flat]
        ctx.constants = [value for value in flat if not isinstance(value, Tensor)]
        ctx.dtype, ctx.gradient = dtype, gradient
        ctx.set_materialize_grads(False)
        return terms

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        count = 2 if ctx.gradient == "parts" else 1
        logits, saved, tensors = ctx.saved_tensors[0], ctx.saved_tensors[1 : 1 + count], ctx.saved_tensors[1 + count :]
        problem = _unflatten(_interleave(ctx.places, tensors, ctx.constants))
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            # A graph of the gradient is asked for: its formula, differentiable, in place of its value.
            saved = evaluate(logits.to(ctx.dtype), problem, ctx.gradient)[1]
        gradient = _scale(saved, upstream, problem)
        rest = (None,) * (2 + len(ctx.places))
        return (None if gradient is None else gradient.to(logits.dtype), *rest)


def _scale(gradients: tuple[Tensor, ...], upstream: tuple[Tensor | None, ...], problem: Problem) -> Tensor | None:
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


def _unflatten(flat: Any) -> Problem:
    targets, observed, sample_weight, pos_weight, mixed, negative, negative_total, scale, *settings = flat
    pairs = PairLaplacians(mixed, negative, negative_total, scale)
    return Problem(targets, observed, sample_weight, pos_weight, pairs, *settings)


def _flatten(problem: Problem) -> tuple[Any, ...]:
    """Each tensor as an argument of its own, as autograd wants them."""
    return (*problem[:4], *problem.pairs, *problem[5:])


def _interleave(places: list[bool], tensors: tuple[Tensor, ...], constants: list[Any]) -> list[Any]:
    tensors_left, constants_left = iter(tensors), iter(constants)
    return [next(tensors_left) if is_tensor else next(constants_left) for is_tensor in places]


def differentiable_terms(
    logits: Tensor, problem: Problem, *, dtype: torch.dtype, impl: str, parts: bool
) -> tuple[Tensor, ...]:
    """The terms, ready for backward.

    Args:
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        problem: the loss.
        dtype: to compute in.
        impl: `"auto"` computes the gradient with the value where one is needed; `"plain"` leaves it to autograd.
        parts: whether L_E and L_B will be differentiated on their own too.
    """
    if not torch.is_grad_enabled():
        return evaluate(logits.to(dtype), problem, "none")[0]
    others = (problem.targets, problem.sample_weight, problem.pos_weight)
    if impl == "plain" or any(other is not None and other.requires_grad for other in others):
        return evaluate(logits.to(dtype), problem, "none")[0]
    if not logits.requires_grad:
        return evaluate(logits.to(dtype), problem, "none")[0]
    gradient = "parts" if parts and problem.targets is not None else "total"
    result: tuple[Tensor, ...] = _OnePass.apply(logits, dtype, gradient, *_flatten(problem))
    return result
