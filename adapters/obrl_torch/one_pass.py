"""The terms of a loss, ready for backward: the gradient is computed with the value, or left to autograd.

`OnePass` saves the gradient that was computed with the value, and backward scales it. Second derivatives, and gradients
with respect to targets or weights, are autograd's, of the plain loss; `impl="fused"` refuses the latter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from obrl_torch.compat import in_transform
from obrl_torch.inputs import without_autocast
from obrl_torch.plain import PlainLoss, Tensors

if TYPE_CHECKING:
    from obrl_torch.fused import FusedLoss


class OnePass(torch.autograd.Function):
    """Terms whose gradients are computed with them: L_E and L_B, or the loss itself, L or L_B alone."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, loss: PlainLoss | FusedLoss, dtype: torch.dtype, gradients_of: str
    ) -> Tensors:
        """The terms, with the gradient of each saved for backward.

        Args:
            ctx: what backward reads.
            logits: x, (batch, num_labels).
            loss: to evaluate.
            dtype: to compute in.
            gradients_of: `"parts"` for L_E and L_B; `"total"` for L alone, or for L_B where the loss has no targets.
        """
        terms, gradients = loss.evaluate(logits, dtype, gradients_of)
        # The batch is saved so that autograd raises if it is written into before backward, as for any other loss; only
        # a gradient with a graph reads it again.
        ctx.save_for_backward(logits, loss.targets, loss.observed, loss.sample_weight, *gradients)
        ctx.loss, ctx.dtype, ctx.gradients_of = loss, dtype, gradients_of
        ctx.set_materialize_grads(False)
        return terms[1:] if gradients_of == "parts" else terms[:1]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        """The gradient with respect to the logits, in their dtype; `upstream` holds what arrives for each term."""
        logits, _, _, _, *gradients = ctx.saved_tensors
        if all(factor is None for factor in upstream):
            return None, None, None, None
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            # create_graph=True: compute the gradient again, in operations that can be differentiated. A compiled
            # backward never builds a graph.
            with without_autocast(logits.device.type):
                loss = ctx.loss.for_autograd(logits.shape[0], ctx.dtype)
                gradients = loss.evaluate(logits, ctx.dtype, ctx.gradients_of)[1]
        products = [
            gradient * (factor[:, None] if factor.ndim else factor)  # one number a sample, or one for all
            for gradient, factor in zip(gradients, upstream, strict=True)
            if factor is not None
        ]
        return sum(products[1:], start=products[0]).to(logits.dtype), None, None, None


def differentiable_terms(
    logits: Tensor, loss: PlainLoss | FusedLoss, *, dtype: torch.dtype, impl: str, parts: bool
) -> Tensors:
    """The terms of a loss, ready for backward.

    Args:
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        loss: to evaluate.
        dtype: to compute in.
        impl: `"plain"` leaves the gradient to autograd; the others compute it with the value, where there is one to
            compute and it is that of the logits alone.
        parts: whether L_E and L_B are needed too, ready to be differentiated on their own.

    Returns:
        L, and with `parts` L_E and L_B; or L_B alone where the loss has no targets.
    """
    others = (loss.targets, loss.sample_weight, loss.pos_weight)
    if (
        impl == "plain"
        or not torch.is_grad_enabled()
        or not logits.requires_grad
        or any(other is not None and other.requires_grad for other in others)
        or in_transform()  # OnePass has no rule for torch.func and for forward mode; autograd has
    ):
        return loss.evaluate(logits, dtype, "none")[0][: 3 if parts else 1]
    if parts and loss.targets is not None:
        cross_entropy, relation_loss = OnePass.apply(logits, loss, dtype, "parts")
        return cross_entropy + loss.alpha * relation_loss, cross_entropy, relation_loss
    terms: Tensors = OnePass.apply(logits, loss, dtype, "total")
    return terms
