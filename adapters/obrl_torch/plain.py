"""`impl="plain"` and `"auto"`: the loss in torch's own operations, by the algebra of `obrl.algebra`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from obrl import algebra
from obrl.algebra import PairLaplacians
from obrl_torch.namespace import TORCH

Tensors = tuple[Tensor, ...]


class PlainLoss(NamedTuple):
    """A loss to evaluate at some logits; every tensor is in the dtype to compute in.

    Attributes:
        targets: (batch, num_labels), 0 where missing; None for L_B alone.
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

    def evaluate(self, logits: Tensor, dtype: torch.dtype, gradient: str) -> tuple[Tensors, Tensors]:
        """The terms (L, L_E and L_B; or L_B alone), and their gradients in the dtype of the computation.

        Args:
            logits: x, (batch, num_labels), in any floating point dtype.
            dtype: to compute in.
            gradient: `"none"`, `"total"` (of the first term), or `"parts"` (of L_E and L_B).
        """
        x = logits.to(dtype)
        options: dict[str, Any] = {"reduction": self.reduction, "rows": x.shape[0]}
        if self.targets is None:
            with_gradient = gradient != "none"
            value, gradients = algebra.relation_loss(
                TORCH, x, self.sample_weight, self.pairs, gradient=with_gradient, **options
            )
            return (value,), gradients
        return algebra.joint_loss(
            TORCH,
            x,
            self.targets,
            self.observed,
            self.sample_weight,
            self.pos_weight,
            self.pairs,
            alpha=self.alpha,
            gradient=gradient,
            **options,
        )

    def chain(self, gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        """The gradient with respect to the logits in `dtype`; see `chain_rule`."""
        return chain_rule(gradients, upstream, alpha=self.alpha, reduction=self.reduction).to(dtype)

    def plain(self, dtype: torch.dtype) -> PlainLoss:
        """The same loss in operations that autograd differentiates: this one."""
        return self


def plain_loss(
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    pairs: PairLaplacians,
    *,
    alpha: float,
    reduction: str,
    dtype: torch.dtype,
) -> PlainLoss:
    """A loss in the dtype to compute in.

    Args:
        targets: (batch, num_labels), 0 where missing; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch,), or None.
        pos_weight: (num_labels,), or None.
        pairs: the pair weights, in `dtype`.
        alpha: weight of L_B.
        reduction: `"mean"`, `"sum"` or `"none"`.
        dtype: to compute in.
    """
    return PlainLoss(
        targets=None if targets is None else targets.to(dtype),
        observed=observed,
        sample_weight=None if sample_weight is None else sample_weight.to(dtype)[:, None],
        pos_weight=None if pos_weight is None else pos_weight.to(dtype)[None],
        pairs=pairs,
        alpha=alpha,
        reduction=reduction,
    )


def chain_rule(
    gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], *, alpha: float, reduction: str
) -> Tensor:
    """The gradient with respect to the logits, given the gradients with respect to the terms.

    Args:
        gradients: of L with respect to the logits; or of L_E and of L_B.
        upstream: the gradient that arrives for each term (L; or L, L_E and L_B), None where none does.
        alpha: weight of L_B.
        reduction: with `"none"` a term holds one number a sample.
    """
    factors = list(upstream)
    if len(gradients) == 2:  # L = L_E + alpha L_B passes its gradient on to both
        total, cross_entropy, relation_loss = upstream
        factors = [_sum(total, cross_entropy), _sum(None if total is None else alpha * total, relation_loss)]
    products = [
        gradient * (factor[:, None] if reduction == "none" else factor)
        for gradient, factor in zip(gradients, factors, strict=True)
        if factor is not None
    ]
    return sum(products[1:], start=products[0])


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Add two gradients, where None is 0."""
    if a is None or b is None:
        return b if a is None else a
    return a + b
