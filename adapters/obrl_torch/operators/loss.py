"""`impl="fused"` on a GPU: the loss with its gradient, and the chain rule, as launches of kernels."""

from __future__ import annotations

from collections.abc import Sequence
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
        """As `PlainLoss.evaluate`, but a gradient that was not asked for is an empty tensor."""
        *terms, first, second = loss_terms(logits, *self, gradients_of, dtype)
        return tuple(terms if self.targets is not None else terms[2:]), (first, second)

    def chain(self, gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        """The gradient with respect to the logits in `dtype`, from what arrives for each term."""
        parts = len(upstream) == 3
        of_terms = upstream if parts else (upstream[0], None, None)
        result: Tensor = scale_gradients(gradients[0], gradients[1] if parts else None, *of_terms, self.alpha, dtype)
        return result

    def for_autograd(self, rows: int, dtype: torch.dtype) -> PlainLoss:
        """The same loss in operations that autograd differentiates."""
        return decoded_loss(self, rows, dtype)


_Terms = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def _new_results(logits: Tensor, *, joint: bool, dtype: torch.dtype, reduction: str, gradients_of: str) -> _Terms:
    """New tensors for L, L_E, L_B and two gradients; those that `loss_kernel` does not write have no elements."""
    value: tuple[int, ...] = (logits.shape[0],) if reduction == "none" else ()
    num_gradients = {"none": 0, "total": 1, "parts": 2 if joint else 1}[gradients_of]
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
    if launch.is_wide(num_labels, double=double):
        run, products = _launch_products(logits, code)
        arguments |= products
    else:
        run = launch.loss(batch, num_labels, double=double)
        arguments |= {"pairs": code, "code_row": code.stride(0), "DTYPE": _COMPUTE[dtype]}
    run.on(logits, partials=logits.new_empty((2, run.grid[1], batch), dtype=dtype), **arguments)
    return terms


def _launch_products(logits: Tensor, code: Tensor) -> tuple[launch.Launch, dict[str, Any]]:
    """Launch the products of a loss on many labels; returns its last launch, and what that reads of them."""
    batch, num_labels = logits.shape
    plan = launch.wide_loss(batch, num_labels, capability=capability(code))
    sizes = {"padded_batch": plan.padded_batch, "padded_labels": plan.padded_labels}
    of_code: dict[str, Any] = {"code": code, "num_labels": num_labels, "code_row": code.stride(0)}
    halves = logits.new_empty((6, plan.padded_batch, plan.padded_labels), dtype=torch.float16)
    degrees = logits.new_empty((2, num_labels), dtype=torch.float32)
    products = logits.new_empty((plan.parts, 3, plan.padded_batch, plan.padded_labels), dtype=torch.float32)
    row, column = logits.stride()
    of_logits: dict[str, Any] = {"logits": logits, "batch": batch, "num_labels": num_labels, "row": row}
    plan.halves.on(logits, halves=halves, column=column, **of_logits, **sizes)
    plan.degrees.on(logits, degrees=degrees, **of_code)
    plan.products.on(logits, halves=halves, products=products, length=plan.length, **of_code, **sizes)
    return plan.finish, {"products": products, "degrees": degrees, "parts": plan.parts, **sizes}


@loss_terms.register_fake
def _(logits: Tensor, targets: Tensor | None, *others: Any) -> _Terms:
    reduction, gradients_of, dtype = others[-3:]
    return _new_results(logits, joint=targets is not None, dtype=dtype, reduction=reduction, gradients_of=gradients_of)


@torch.library.custom_op("obrl::scale_gradients", mutates_args=())
def scale_gradients(
    gradient: Tensor,
    second_gradient: Tensor | None,
    of_total: Tensor | None,
    of_entropy: Tensor | None,
    of_relation: Tensor | None,
    alpha: float,
    dtype: torch.dtype,
) -> Tensor:
    """The chain rule, in `dtype`; `scale_kernel` describes the other arguments."""
    result = torch.empty_like(gradient, dtype=dtype)
    batch, num_labels = gradient.shape
    if batch == 0:
        return result

    def stride(upstream: Tensor | None) -> int:
        return 0 if upstream is None or upstream.ndim == 0 else upstream.stride(0)

    unused = gradient  # as in `loss_terms`
    launch.scale(batch, num_labels).on(
        gradient,
        gradient=gradient,
        second_gradient=unused if second_gradient is None else second_gradient,
        of_total=unused if of_total is None else of_total,
        of_entropy=unused if of_entropy is None else of_entropy,
        of_relation=unused if of_relation is None else of_relation,
        alpha=alpha,
        result=result,
        batch=batch,
        num_labels=num_labels,
        total_stride=stride(of_total),
        entropy_stride=stride(of_entropy),
        relation_stride=stride(of_relation),
        PARTS=second_gradient is not None,
        HAS_TOTAL=of_total is not None,
        HAS_ENTROPY=of_entropy is not None,
        HAS_RELATION=of_relation is not None,
    )
    return result


@scale_gradients.register_fake
def _(gradient: Tensor, *others: Any) -> Tensor:
    return torch.empty_like(gradient, dtype=others[-1])
