"""`impl="fused"` on a CPU: the loss and its gradient in native code; see `obrl_torch.native`."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import POINTER, Structure, c_double, c_int32, c_int64, c_void_p
from typing import Any, NamedTuple

import torch
from torch import Tensor

from obrl_native import cpu
from obrl_torch.native import DTYPES, address, contiguous, operator
from obrl_torch.plain import PlainLoss, Tensors, chain, decoded_loss


class NativeLoss(NamedTuple):
    """A loss to evaluate at some logits; the tensors are the user's, in any of their dtypes.

    Attributes:
        targets: (batch, num_labels), NaN where missing; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch,), or None.
        pos_weight: (num_labels,), or None.
        code: the pairs, uint8, (num_labels, num_labels): see `native_relation.move_relation`.
        alpha: weight of L_B.
        normalization: `"all_pairs"` or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    targets: Tensor | None
    observed: Tensor | None
    sample_weight: Tensor | None
    pos_weight: Tensor | None
    code: Tensor
    alpha: float
    normalization: str
    reduction: str

    def evaluate(self, logits: Tensor, dtype: torch.dtype, gradients_of: str) -> tuple[Tensors, Tensors]:
        """As `PlainLoss.evaluate`, but with `"total"` L is the only term."""
        results = loss_terms(logits, *self, gradients_of, dtype)
        count = 1 if self.targets is None or gradients_of == "total" else 3
        return tuple(results[:count]), tuple(results[count:])

    def chain(self, gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        """The gradient with respect to the logits in `dtype`, from what arrives for each term."""
        return chain(gradients, upstream, alpha=self.alpha, reduction=self.reduction, dtype=dtype)

    def for_autograd(self, rows: int, dtype: torch.dtype) -> PlainLoss:
        """The same loss in operations that autograd differentiates."""
        return decoded_loss(self, rows, dtype)


class LossArguments(Structure):
    """`obrl_loss_arguments`."""

    _fields_ = (
        *((name, c_void_p) for name in ("logits", "targets", "observed", "sample_weight", "pos_weight", "code")),
        *((name, c_void_p) for name in ("total", "cross_entropy", "relation_loss", "gradient", "relation_gradient")),
        ("alpha", c_double),
        ("batch", c_int64),
        ("num_labels", c_int64),
        *((name, c_int32) for name in ("dtype", "target_dtype", "reduction", "gradients", "joint", "active_pairs")),
    )


def _loss_terms(
    logits: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    code: Tensor,
    alpha: float,
    normalization: str,
    reduction: str,
    gradients_of: str,
    dtype: torch.dtype,
) -> list[Tensor]:
    """The loss and its gradient.

    Returns:
        With targets: L and its gradient with `"total"`; L, L_E and L_B with `"none"`; these and the gradients of L_E
        and of L_B with `"parts"`. Without: L_B, and its gradient unless `gradients_of` is `"none"`.
    """
    results = _new_results(logits, targets, reduction, gradients_of, dtype)
    # Addresses of L, L_E, L_B and two gradients; None is not written.
    addresses: list[int | None] = [result.data_ptr() for result in results]
    if targets is None:
        addresses = [None, None, *addresses]
    elif gradients_of == "total":
        addresses = [addresses[0], None, None, addresses[1]]
    addresses += [None] * (5 - len(addresses))
    is_bytes = targets is not None and targets.dtype in (torch.bool, torch.uint8)
    # These variables hold the memory until the call ends.
    x, targets = contiguous(logits, dtype), contiguous(targets, None if is_bytes else dtype)
    observed = contiguous(observed)
    sample_weight, pos_weight = contiguous(sample_weight, dtype), contiguous(pos_weight, dtype)
    arguments = LossArguments(
        address(x),
        address(targets),
        address(observed),
        address(sample_weight),
        address(pos_weight),
        code.data_ptr(),
        *addresses,
        alpha,
        *logits.shape,
        DTYPES[dtype],
        cpu.UINT8 if is_bytes else DTYPES[dtype],
        cpu.REDUCTIONS[reduction],
        cpu.GRADIENTS[gradients_of],
        targets is not None,
        normalization == "active_pairs",
    )
    cpu.function(cpu.library(), "obrl_loss", POINTER(LossArguments), c_int32)(arguments, torch.get_num_threads())
    return results


def _new_results(
    logits: Tensor, targets: Tensor | None, reduction: str, gradients_of: str, dtype: torch.dtype
) -> list[Tensor]:
    """Empty tensors for the results of `_loss_terms`."""
    joint = targets is not None
    num_terms = 3 if joint and gradients_of != "total" else 1
    num_gradients = {"none": 0, "total": 1, "parts": 2 if joint else 1}[gradients_of]
    value = (logits.shape[0],) if reduction == "none" else ()
    return [
        *(logits.new_empty(value, dtype=dtype) for _ in range(num_terms)),
        *(torch.empty_like(logits, dtype=dtype, memory_format=torch.contiguous_format) for _ in range(num_gradients)),
    ]


def _fake_terms(logits: Tensor, targets: Tensor | None, *others: Any) -> list[Tensor]:
    return _new_results(logits, targets, *others[-3:])


loss_terms = operator(_loss_terms, _fake_terms)
