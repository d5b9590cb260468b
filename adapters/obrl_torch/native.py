"""`impl="fused"` on a CPU: how operators of native code are registered and called, and the loss with its gradient.

An operator is called directly in eager mode; under `torch.compile`, tracing, dispatch modes and for subclasses of
Tensor it is called as a registered operator, `torch.ops.obrl.native_...`. It checks nothing and differentiates nothing:
`loss` and `fused` check, and `one_pass.OnePass` differentiates. `native_relation` has the operators of the relation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, c_double, c_int32, c_int64, c_void_p
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from obrl_native import cpu
from obrl_torch.compat import is_recorded
from obrl_torch.plain import PlainLoss, Tensors, decoded_loss

DTYPES = {torch.bool: cpu.UINT8, torch.uint8: cpu.UINT8, torch.float32: cpu.FLOAT32, torch.float64: cpu.FLOAT64}
# Not `torch.library.custom_op`: it wraps each operator in two Python kernels for autograd, slower than the operator.
_LIBRARY = torch.library.Library("obrl", "FRAGMENT")
_DIRECT_TYPES = {Tensor, Parameter, type(None), float, str, torch.dtype}
"""The types of the arguments of a direct call."""


def operator(
    name: str, function: Callable[..., Any], fake: Callable[..., Any], mutated: Sequence[str] = ()
) -> Callable[..., Any]:
    """Register a function as the operator `obrl::NAME`, and call it directly where nothing needs to see it.

    Args:
        name: of the operator.
        function: its annotations give the operator's schema.
        fake: takes the same arguments and gives empty tensors of the shapes and dtypes of the result.
        mutated: the names of the arguments that it writes into.
    """
    schema = torch.library.infer_schema(function, mutates_args=mutated)
    _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, function, "CPU")
    torch.library.register_fake(f"obrl::{name}", fake, lib=_LIBRARY)
    registered = getattr(torch.ops.obrl, name).default

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        is_eager = not is_recorded() and _DIRECT_TYPES.issuperset(map(type, arguments))
        return (function if is_eager else registered)(*arguments)

    return call


def address(tensor: Tensor | None) -> int | None:
    """Where the numbers of a contiguous tensor begin, which the caller keeps alive."""
    return None if tensor is None else tensor.data_ptr()


def contiguous(tensor: Tensor | None, dtype: torch.dtype | None = None) -> Tensor | None:
    """A tensor whose memory is in order, in a dtype (None is its own)."""
    if tensor is None or dtype is None or tensor.dtype == dtype:  # `to` takes a while even where it does nothing
        return None if tensor is None else tensor.contiguous()
    return tensor.to(dtype).contiguous()


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
        # The fields are arguments of `loss_terms`, in their order.
        results = loss_terms(logits, *self, gradients_of, dtype)
        count = 1 if self.targets is None or gradients_of == "total" else 3
        return tuple(results[:count]), tuple(results[count:])

    def for_autograd(self, rows: int, dtype: torch.dtype) -> PlainLoss:
        """The same loss in operations that autograd differentiates."""
        return decoded_loss(self, rows, dtype)


class LossArguments(Structure):
    """`obrl_loss_arguments` of `obrl_native/src/obrl_cpu.h`."""

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
    if targets is None:
        names: tuple[str, ...] = ("relation_loss", "gradient")
    elif gradients_of == "total":
        names = ("total", "gradient")
    else:
        names = ("total", "cross_entropy", "relation_loss", "gradient", "relation_gradient")
    addresses = {name: result.data_ptr() for name, result in zip(names, results, strict=False)}
    is_bytes = targets is not None and targets.dtype in (torch.bool, torch.uint8)
    # These variables hold the memory until the call ends.
    x, targets = contiguous(logits, dtype), contiguous(targets, None if is_bytes else dtype)
    observed = contiguous(observed)
    sample_weight, pos_weight = contiguous(sample_weight, dtype), contiguous(pos_weight, dtype)
    batch, num_labels = logits.shape
    arguments = LossArguments(
        logits=address(x),
        targets=address(targets),
        observed=address(observed),
        sample_weight=address(sample_weight),
        pos_weight=address(pos_weight),
        code=code.data_ptr(),
        alpha=alpha,
        batch=batch,
        num_labels=num_labels,
        dtype=DTYPES[dtype],
        target_dtype=cpu.UINT8 if is_bytes else DTYPES[dtype],
        reduction=cpu.REDUCTIONS[reduction],
        gradients=cpu.GRADIENTS[gradients_of],
        joint=targets is not None,
        active_pairs=normalization == "active_pairs",
        **addresses,  # a term or gradient that is not named here is not written
    )
    # The function is in `obrl_native/src/loss.cc`.
    obrl_loss = cpu.function(cpu.library(), "obrl_loss", POINTER(LossArguments), c_int32)
    obrl_loss(arguments, torch.get_num_threads())
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


loss_terms = operator("native_loss_terms", _loss_terms, _fake_terms)
