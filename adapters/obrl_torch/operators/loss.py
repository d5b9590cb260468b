"""`impl="fused"` on a GPU: the loss with its gradient, as launches of kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton.language as tl
from torch import Tensor

from obrl_torch.kernels import launch
from obrl_torch.operators.arguments import as_bytes, capability, strides
from obrl_torch.plain import PlainLoss, Tensors, decoded_loss

_COMPUTE = {torch.float32: tl.float32, torch.float64: tl.float64}


class KernelLoss(NamedTuple):
    """A loss to evaluate at some logits; the attributes are those of `NativeLoss`, and those that kernels write.

    Attributes:
        code: the pairs; rows are padded with zeros.
        active: int32: partial sums of twice the number of active ordered pairs.
        counter: int32: one number that is 0 except while a kernel runs.
    """

    targets: Tensor | None
    observed: Tensor | None
    sample_weight: Tensor | None
    pos_weight: Tensor | None
    code: Tensor
    active: Tensor
    counter: Tensor
    alpha: float
    normalization: str
    reduction: str

    def evaluate(self, logits: Tensor, dtype: torch.dtype, gradients_of: str) -> tuple[Tensors, Tensors]:
        """As `PlainLoss.evaluate`."""
        # The fields are arguments of `loss_terms`, in their order.
        *terms, first, second = loss_terms(logits, *self, gradients_of, dtype)
        joint = self.targets is not None
        return tuple(terms if joint else terms[2:]), (first, second)[: _num_gradients(gradients_of, joint=joint)]

    def for_autograd(self, rows: int, dtype: torch.dtype) -> PlainLoss:
        """The same loss in operations that autograd differentiates."""
        return decoded_loss(self, rows, dtype)


_Terms = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def _num_gradients(gradients_of: str, *, joint: bool) -> int:
    """Number of gradients that the kernels write: of L, of L_E and L_B, or of L_B alone."""
    return {"none": 0, "total": 1, "parts": 2 if joint else 1}[gradients_of]


def _new_results(logits: Tensor, *, joint: bool, dtype: torch.dtype, reduction: str, gradients_of: str) -> _Terms:
    """New tensors for L, L_E, L_B and two gradients; those that the kernels do not write have no elements."""
    value: tuple[int, ...] = (logits.shape[0],) if reduction == "none" else ()
    num_gradients = _num_gradients(gradients_of, joint=joint)
    shapes: list[tuple[int, ...]] = [value if joint else (0,)] * 2 + [value]
    shapes += [tuple(logits.shape) if number < num_gradients else (0,) for number in range(2)]
    total, cross_entropy, relation_loss, first, second = (logits.new_empty(shape, dtype=dtype) for shape in shapes)
    return total, cross_entropy, relation_loss, first, second


@torch.library.custom_op("obrl::loss_terms", mutates_args=("counter",))
def loss_terms(
    logits: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    code: Tensor,
    active: Tensor,
    counter: Tensor,
    alpha: float,
    normalization: str,
    reduction: str,
    gradients_of: str,
    dtype: torch.dtype,
) -> _Terms:
    """L, L_E, L_B and two gradients, without elements where there is none; `loss_kernel` describes the arguments."""
    terms = _new_results(logits, joint=targets is not None, dtype=dtype, reduction=reduction, gradients_of=gradients_of)
    total, cross_entropy, relation_loss, first, second = terms
    batch, num_labels = logits.shape
    if batch == 0:
        for term in terms[:3]:
            term.zero_()
        return terms
    double = dtype == torch.float64
    target_bytes, mask = as_bytes(targets), as_bytes(observed)
    row, column = logits.stride()
    others = (("target_", target_bytes), ("observed_", mask))
    unused = logits  # a launch needs some tensor; the kernel does not read one whose flag below is False
    arguments: dict[str, Any] = {
        "logits": logits,
        "targets": unused if target_bytes is None else target_bytes,
        "observed": unused if mask is None else mask,
        "sample_weight": unused if sample_weight is None else sample_weight,
        "pos_weight": unused if pos_weight is None else pos_weight.to(dtype).contiguous(),
        "active": active,
        "alpha": alpha,
        "total": total,
        "cross_entropy": cross_entropy,
        "relation_loss": relation_loss,
        "gradient": first,
        "second_gradient": second,
        "counter": counter,
        "batch": batch,
        "num_labels": num_labels,
        "tiles": active.numel(),
        "row": row,
        "column": column,
        **{f"{prefix}{axis}": step for prefix, tensor in others for axis, step in strides(tensor).items()},
        "weight_stride": 0 if sample_weight is None else sample_weight.stride(0),
        "JOINT": targets is not None,
        "MASKED": mask is not None,
        "WEIGHTED": sample_weight is not None,
        "POS_WEIGHTED": pos_weight is not None,
        "ACTIVE_PAIRS": normalization == "active_pairs",
        "REDUCTION": reduction,
        "GRADIENT": gradients_of,
    }
    if launch.is_wide(num_labels, double=double):  # float64 takes `loss_kernel` for any number of labels
        run, products = _launch_products(logits, code)
        arguments |= products
    else:
        run = launch.loss(batch, num_labels, double=double)
        arguments |= {"code": code, "code_row": code.stride(0), "DTYPE": _COMPUTE[dtype]}
    run.on(logits, partials=logits.new_empty((2, run.grid[1], batch), dtype=dtype), **arguments)
    return terms


def _launch_products(logits: Tensor, code: Tensor) -> tuple[launch.Launch, dict[str, Any]]:
    """Launch all kernels of a loss on many labels but the last; returns that launch, and its arguments about these."""
    batch, num_labels = logits.shape
    plan = launch.wide_loss(batch, num_labels, capability=capability(code))
    sizes = {"padded_batch": plan.padded_batch, "padded_labels": plan.padded_labels}
    of_code: dict[str, Any] = {"code": code, "num_labels": num_labels, "code_row": code.stride(0)}
    halves = logits.new_empty((6, plan.padded_batch, plan.padded_labels), dtype=torch.float16)
    degrees = logits.new_empty((2, num_labels), dtype=torch.float32)
    products = logits.new_empty((plan.parts, 3, plan.padded_batch, plan.padded_labels), dtype=torch.float32)
    row, column = logits.stride()
    of_logits = {"logits": logits, "batch": batch, "num_labels": num_labels, "row": row, "column": column}
    plan.halves.on(logits, halves=halves, **of_logits, **sizes)
    plan.degrees.on(logits, degrees=degrees, **of_code)
    plan.products.on(logits, halves=halves, products=products, length=plan.length, **of_code, **sizes)
    return plan.loss, {"products": products, "degrees": degrees, "parts": plan.parts, **sizes}


@loss_terms.register_fake
def _(logits: Tensor, targets: Tensor | None, *others: Any) -> _Terms:
    reduction, gradients_of, dtype = others[-3:]
    return _new_results(logits, joint=targets is not None, dtype=dtype, reduction=reduction, gradients_of=gradients_of)
