"""The loss in torch's own operations, by the algebra of `obrl.algebra`.

It serves `impl="plain"`, `"auto"` where that picks no kernel, and second derivatives of `"fused"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from obrl import problem
from obrl.algebra import PairLaplacians, coded_laplacians
from obrl_torch.inputs import split_targets
from obrl_torch.namespace import TORCH

if TYPE_CHECKING:
    from obrl_torch.fused import FusedLoss

Tensors = tuple[Tensor, ...]


class PlainLoss(problem.Problem):
    """A loss in torch's operations; every floating point tensor is in the dtype to compute in.

    `sample_weight` is (batch, 1) and `pos_weight` (1, num_labels) here. `one_pass.differentiable_terms` decides whether
    the gradient is autograd's or computed with the value.
    """

    __slots__ = ()

    def evaluate(self, logits: Tensor, dtype: torch.dtype, gradients_of: str) -> tuple[Tensors, Tensors]:
        """The terms (L, L_E and L_B; or L_B alone), and their gradients in the dtype of the computation.

        Args:
            logits: x, (batch, num_labels), in any floating point dtype.
            dtype: to compute in.
            gradients_of: `"none"`, `"total"` (of the first term), or `"parts"` (of L_E and L_B).
        """
        return problem.evaluate(TORCH, logits.to(dtype), self, gradients_of=gradients_of)

    def for_autograd(self, rows: int, dtype: torch.dtype) -> PlainLoss:
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
    rows: int,
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
        rows: the size of the batch.
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
        rows=rows,
    )


def decoded_loss(loss: FusedLoss, rows: int, dtype: torch.dtype) -> PlainLoss:
    """A loss of native code or kernels, whose pairs are a code, as a `PlainLoss` on `rows` samples."""
    code = loss.code[:, : loss.code.shape[0]]  # a GPU pads its rows
    like = code.new_empty((), dtype=dtype)
    labels = None if loss.targets is None else split_targets(loss.targets, loss.observed, read_values=False)
    return plain_loss(
        None if labels is None else labels.targets,
        None if labels is None else labels.observed,
        loss.sample_weight,
        loss.pos_weight,
        coded_laplacians(TORCH, code, normalization=loss.normalization, like=like),
        alpha=loss.alpha,
        reduction=loss.reduction,
        rows=rows,
        dtype=dtype,
    )
