"""Autograd: the loss and its gradient in one pass, which backward then scales.

Second derivatives, and those with respect to weights, come from differentiating the algebra itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from obrl import algebra
from obrl.algebra import PairWeights
from obrl.namespace import Array, Namespace
from obrl_torch import host
from obrl_torch.namespace import TORCH, convert, reduced_precision


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
    pairs: PairWeights
    alpha: float
    reduction: str

    def evaluate(
        self, logits: Tensor, dtype: torch.dtype, gradient: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The terms (L, L_E and L_B; or L_B alone), and their gradients in the dtype of the computation.

        Args:
            logits: x, (batch, num_labels), in any floating point dtype.
            dtype: to compute in, that of the problem's arrays.
            gradient: `"none"`, `"total"` (of the first term), or `"parts"` (of L_E and L_B).
        """
        x = logits.to(dtype)
        # Whatever must be differentiated is torch's; a graph must not depend on the size.
        differentiated = logits.requires_grad and torch.is_grad_enabled()
        kept = torch.compiler.is_compiling() or differentiated or x.numel() > host.SMALL_BATCH
        views = None if kept else self._on_host(x)
        if views is None:
            return self._evaluate(TORCH, x, gradient)
        with np.errstate(all="ignore"):
            terms, gradients = views[1]._evaluate(host.HOST, views[0], gradient)
        wanted = terms[:1] if gradient == "total" else terms
        return tuple(_tensor(value, dtype) for value in wanted), tuple(_tensor(part, dtype) for part in gradients)

    def _on_host(self, x: Tensor) -> tuple[Any, Problem] | None:
        """The logits and the problem as arrays that share the tensors' memory; None where they must stay tensors."""
        views = host.arrays((x.detach(), self.targets, self.observed, self.sample_weight, self.pos_weight))
        pairs = host.pair_arrays(self.pairs)
        if views is None or pairs is None or (x.dtype == torch.float32 and reduced_precision("cpu")):
            return None
        logits, targets, observed, sample_weight, pos_weight = views
        return logits, Problem(targets, observed, sample_weight, pos_weight, pairs, self.alpha, self.reduction)

    def _evaluate(self, ns: Namespace, x: Array, gradient: str) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        shared: dict[str, Any] = {"reduction": self.reduction, "rows": x.shape[0]}
        if self.targets is None:
            value, gradients = algebra.relation_loss(
                ns, x, self.sample_weight, self.pairs, gradient=gradient != "none", **shared
            )
            return (value,), gradients
        return algebra.joint_loss(
            ns,
            x,
            self.targets,
            self.observed,
            self.sample_weight,
            self.pos_weight,
            self.pairs,
            alpha=self.alpha,
            gradient=gradient,
            **shared,
        )

    def plain(self, dtype: torch.dtype) -> Problem:
        """The problem as the algebra takes it: this one."""
        return self

    def scaled(self, gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        """The chain rule: each gradient times what arrives for its term, in the dtype of the logits."""
        return chain_rule(gradients, upstream, alpha=self.alpha, reduction=self.reduction).to(dtype)


def chain_rule(
    gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], *, alpha: float, reduction: str
) -> Tensor:
    """The sum of one or two gradients, each times what arrives for its term; the first term may hold the two others."""
    factors = list(upstream)
    if len(gradients) == 2:
        total, cross_entropy, relation_loss = upstream
        factors = [_sum(total, cross_entropy), _sum(None if total is None else alpha * total, relation_loss)]
    parts = [
        gradient * (factor[:, None] if reduction == "none" else factor)
        for gradient, factor in zip(gradients, factors, strict=True)
        if factor is not None
    ]
    return sum(parts[1:], start=parts[0])


def make_problem(
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    pairs: PairWeights,
    *,
    alpha: float,
    reduction: str,
    dtype: torch.dtype,
) -> Problem:
    """A problem in the dtype to compute in, of targets that are finite where observed, and (batch,) weights."""
    if targets is not None:
        targets = convert(targets, dtype)
        targets = targets if observed is None else torch.where(observed, targets, 0.0)
    return Problem(
        targets=targets,
        observed=observed,
        sample_weight=None if sample_weight is None else sample_weight.to(dtype)[:, None],
        pos_weight=None if pos_weight is None else pos_weight.to(dtype)[None],
        pairs=pairs,
        alpha=alpha,
        reduction=reduction,
    )


class Differentiable(Protocol):
    """What `OnePass` asks of a problem."""

    @property
    def targets(self) -> Tensor | None:
        """As they came, or None."""

    @property
    def observed(self) -> Tensor | None:
        """As it came, or None."""

    @property
    def sample_weight(self) -> Tensor | None:
        """As it came, or None."""

    def evaluate(
        self, logits: Tensor, dtype: torch.dtype, gradient: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """As `Problem.evaluate`."""

    def scaled(self, gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        """As `Problem.scaled`."""

    def plain(self, dtype: torch.dtype) -> Problem:
        """The same problem for the algebra, which autograd can differentiate."""


class OnePass(torch.autograd.Function):
    """Terms whose gradients are computed with them."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, problem: Differentiable, dtype: torch.dtype, gradient: str
    ) -> tuple[Tensor, ...]:
        """The terms, and their gradients for later."""
        terms, gradients = problem.evaluate(logits, dtype, gradient)
        # With the batch in autograd's hands, changing it before backward raises, as it does for any other loss.
        ctx.save_for_backward(logits, problem.targets, problem.observed, problem.sample_weight, *gradients)
        ctx.problem, ctx.dtype, ctx.gradient = problem, dtype, gradient
        ctx.set_materialize_grads(False)
        return terms if gradient == "parts" else terms[:1]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        """The gradient with respect to the logits, in their dtype."""
        logits, _, _, _, *gradients = ctx.saved_tensors
        problem = ctx.problem
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            # A graph of the gradient is asked for: its formula, differentiable, in place of its value.
            problem = problem.plain(ctx.dtype)
            gradients = problem.evaluate(logits, ctx.dtype, ctx.gradient)[1]
        if all(part is None for part in upstream):
            return None, None, None, None
        return problem.scaled(gradients, upstream, logits.dtype), None, None, None


def _tensor(value: Any, dtype: torch.dtype) -> Tensor:
    """An array as a tensor of the same memory, or a scalar, which NumPy 1 may have widened."""
    return torch.from_numpy(np.asarray(value, host.DTYPES[dtype]))


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """The sum of what is there."""
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
        return problem.evaluate(logits, dtype, "none")[0]
    gradient = "parts" if parts and problem.targets is not None else "total"
    result: tuple[Tensor, ...] = OnePass.apply(logits, problem, dtype, gradient)
    return result
