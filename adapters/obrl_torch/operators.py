"""The kernels as operators of torch, so that graphs, `torch.compile` and fake tensors know them.

They check nothing and differentiate nothing: `obrl_torch.loss` has checked, and `obrl_torch.functions` differentiates.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from obrl.measures import MEASURES
from obrl_torch.kernels import launch

_COMPUTE = {torch.float32: tl.float32, torch.float64: tl.float64}


def _run(run: launch.Launch, on: Tensor, **arguments: Any) -> None:
    """Launch on the device that the tensors are on, whichever is current."""
    with torch.cuda.device(on.device) if on.is_cuda else nullcontext():
        run(**arguments)


def _bytes(tensor: Tensor | None) -> Tensor | None:
    return tensor.view(torch.uint8) if tensor is not None and tensor.dtype == torch.bool else tensor


def _strides(tensor: Tensor | None) -> dict[str, int]:
    row, column = (0, 0) if tensor is None else tensor.stride()
    return {"row": row, "column": column}


def _counting(targets: Tensor, observed: Tensor | None) -> dict[str, Any]:
    """The arguments that counting takes."""
    labels, mask = _bytes(targets), _bytes(observed)
    return {
        "targets": labels,
        "observed": labels if mask is None else mask,
        "batch": targets.shape[0],
        "num_labels": targets.shape[1],
        **_strides(labels),
        **{f"observed_{axis}": step for axis, step in _strides(mask).items()},
        "MASKED": mask is not None,
        "COMPLETE": mask is None and not targets.dtype.is_floating_point,
    }


def _coding(
    relation_sum: Tensor,
    relation_weight: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
    run: launch.Launch,
) -> tuple[dict[str, Any], tuple[Tensor, Tensor, Tensor]]:
    """The arguments that moving and coding take, and what they write."""
    made = _new_codes(relation_weight, run)
    arguments = {
        "relation_sum": relation_sum,
        "relation_weight": relation_weight,
        "code": made[0],
        "active": made[1],
        "counter": made[2],
        "decay_less_one": decay - 1.0,
        "r_p": positive_threshold,
        "r_n": negative_threshold,
        "num_labels": relation_weight.shape[0],
        "code_row": made[0].stride(0),
        "MEASURE": measure,
        "SYMMETRIC": MEASURES[measure].symmetric,
        "ESTIMATOR": estimator,
    }
    return arguments, made


def _is_double(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float64


def _new_codes(relation_weight: Tensor, run: launch.Launch) -> tuple[Tensor, Tensor, Tensor]:
    """Room for what a launch over tiles of the relation writes."""
    num_labels = relation_weight.shape[0]
    return (
        relation_weight.new_empty((num_labels, launch.code_row(num_labels)), dtype=torch.int8),
        relation_weight.new_empty(run.grid[:1], dtype=torch.int32),
        relation_weight.new_empty((1,), dtype=torch.int32),
    )


def _capability(on: Tensor) -> int:
    """The compute capability of a tensor's device, times ten; Triton's interpreter runs as if on Hopper."""
    major, minor = torch.cuda.get_device_capability(on.device) if on.is_cuda else divmod(launch.HOPPER, 10)
    return 10 * major + minor


def _relation_launch(batch: int, relation_weight: Tensor, measure: str, estimator: str) -> launch.Launch:
    num_labels = relation_weight.shape[0]
    if launch.is_wide(num_labels, double=_is_double(relation_weight)):
        return launch.wide_relation(
            num_labels, capability=_capability(relation_weight), measure=measure, estimator=estimator
        )
    return launch.relation(batch, num_labels)


def _code_launch(relation_weight: Tensor) -> launch.Launch:
    return launch.code(relation_weight.shape[0], double=_is_double(relation_weight))


def _packed(counting: dict[str, Any], run: launch.Launch, on: Tensor) -> dict[str, Any]:
    """What `wide_relation_kernel` takes in place of targets, made by `pack_kernel`."""
    batch, num_labels = counting["batch"], counting["num_labels"]
    sizes = {
        "padded_batch": launch.padded(batch, run.blocks["ROWS"]),
        "padded_labels": launch.padded(num_labels, run.blocks["TILE"]),
    }
    packed = on.new_empty((2, sizes["padded_labels"], sizes["padded_batch"]), dtype=torch.int8)
    if batch:
        given = {name: value for name, value in counting.items() if name != "COMPLETE"}
        _run(launch.pack(*reversed(packed.shape[1:])), on, **given, packed=packed, **sizes)
    return {"packed": packed, **sizes}


@torch.library.custom_op("obrl::count_pairs", mutates_args=())
def count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float32, (3, num_labels, num_labels)."""
    counts = targets.new_empty((3, targets.shape[1], targets.shape[1]), dtype=torch.float32)
    _run(launch.count(targets.shape[1]), targets, counts=counts, **_counting(targets, observed))
    return counts


@count_pairs.register_fake
def _(targets: Tensor, observed: Tensor | None) -> Tensor:
    return targets.new_empty((3, targets.shape[1], targets.shape[1]), dtype=torch.float32)


@torch.library.custom_op("obrl::move_relation", mutates_args=("relation_sum", "relation_weight", "arrivals"))
def move_relation(
    targets: Tensor,
    observed: Tensor | None,
    relation_sum: Tensor,
    relation_weight: Tensor,
    arrivals: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Eq. 1 for a batch, in place; the codes of the pairs, partial numbers of active halves, and a counter at 0.

    `arrivals` are `launch.most_arrivals()` zeros, int32, that are zeros again afterwards: what the programs of a launch
    know each other by. No two launches at a time may have the same.
    """
    run = _relation_launch(targets.shape[0], relation_weight, measure, estimator)
    arguments, made = _coding(
        relation_sum, relation_weight, decay, positive_threshold, negative_threshold, measure, estimator, run
    )
    counting = _counting(targets, observed)
    if launch.is_wide(targets.shape[1], double=_is_double(relation_weight)):
        arguments |= _packed(counting, run, targets)
    else:
        pairs, parts = run.grid
        room = pairs * parts * 4 * run.blocks["TILE"] ** 2 if parts > 1 else 1
        arguments |= counting | {
            "arrivals": arrivals,
            "partials": targets.new_empty((room,), dtype=torch.float32),
            "length": launch.padded(triton.cdiv(targets.shape[0], parts), run.blocks["ROWS"]),
        }
    _run(run, targets, **arguments)
    return made


@move_relation.register_fake
def _(
    targets: Tensor,
    observed: Tensor | None,
    relation_sum: Tensor,
    relation_weight: Tensor,
    arrivals: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> tuple[Tensor, Tensor, Tensor]:
    # The size of the batch, which may be symbolic here, does not change what is written.
    return _new_codes(relation_weight, _relation_launch(1, relation_weight, measure, estimator))


@torch.library.custom_op("obrl::move_by_counts", mutates_args=("relation_sum", "relation_weight"))
def move_by_counts(
    counts: Tensor,
    relation_sum: Tensor,
    relation_weight: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `move_relation`, by the counts that `count_pairs` gave, summed over processes."""
    run = _code_launch(relation_weight)
    arguments, made = _coding(
        relation_sum, relation_weight, decay, positive_threshold, negative_threshold, measure, estimator, run
    )
    _run(run, relation_weight, counts=counts, MOVES=True, **arguments)
    return made


@move_by_counts.register_fake
def _(
    counts: Tensor,
    relation_sum: Tensor,
    relation_weight: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> tuple[Tensor, Tensor, Tensor]:
    return _new_codes(relation_weight, _code_launch(relation_weight))


@torch.library.custom_op("obrl::code_pairs", mutates_args=())
def code_pairs(
    relation_sum: Tensor,
    relation_weight: Tensor,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """What `move_relation` gives, of a relation that stays as it is."""
    run = _code_launch(relation_weight)
    arguments, made = _coding(
        relation_sum, relation_weight, 1.0, positive_threshold, negative_threshold, measure, estimator, run
    )
    _run(run, relation_weight, counts=relation_weight, MOVES=False, **arguments)
    return made


@code_pairs.register_fake
def _(
    relation_sum: Tensor,
    relation_weight: Tensor,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> tuple[Tensor, Tensor, Tensor]:
    return _new_codes(relation_weight, _code_launch(relation_weight))


_Five = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def _new_terms(logits: Tensor, *, joint: bool, dtype: torch.dtype, reduction: str, gradient: str) -> _Five:
    """Room for L, L_E, L_B and up to two gradients, empty where one is not there or not asked for."""
    value: tuple[int, ...] = (logits.shape[0],) if reduction == "none" else ()
    wanted = {"none": 0, "total": 1, "parts": 2 if joint else 1}[gradient]
    shapes: list[tuple[int, ...]] = [value if joint else (0,)] * 2 + [value]
    shapes += [tuple(logits.shape) if number < wanted else (0,) for number in range(2)]
    total, cross_entropy, relation_loss, first, second = (logits.new_empty(shape, dtype=dtype) for shape in shapes)
    return total, cross_entropy, relation_loss, first, second


@torch.library.custom_op("obrl::loss_terms", mutates_args=("counter",))
def loss_terms(
    logits: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    pairs: Tensor,
    second_pairs: Tensor | None,
    active: Tensor,
    counter: Tensor,
    alpha: float,
    normalization: str,
    reduction: str,
    gradient: str,
    dtype: torch.dtype,
) -> _Five:
    """L, L_E, L_B and up to two gradients, empty where there is none; the arguments are those of `loss_kernel`."""
    made = _new_terms(logits, joint=targets is not None, dtype=dtype, reduction=reduction, gradient=gradient)
    total, cross_entropy, relation_loss, first, second = made
    batch, num_labels = logits.shape
    if batch == 0:
        for term in made[:3]:
            term.zero_()
        return made
    double = dtype == torch.float64
    labels, mask = _bytes(targets), _bytes(observed)
    names = (("", logits), ("target_", labels), ("observed_", mask))
    arguments: dict[str, Any] = {
        "logits": logits,
        "targets": logits if labels is None else labels,
        "observed": logits if mask is None else mask,
        "sample_weight": logits if sample_weight is None else sample_weight,
        "pos_weight": logits if pos_weight is None else pos_weight.to(dtype).contiguous(),
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
        **{f"{prefix}{axis}": step for prefix, tensor in names for axis, step in _strides(tensor).items()},
        "weight_stride": 0 if sample_weight is None else sample_weight.stride(0),
        "JOINT": labels is not None,
        "MASKED": mask is not None,
        "WEIGHTED": sample_weight is not None,
        "POS_WEIGHTED": pos_weight is not None,
        "ACTIVE_PAIRS": normalization == "active_pairs",
        "REDUCTION": reduction,
        "GRADIENT": gradient,
    }
    coded = second_pairs is None
    if coded and launch.is_wide(num_labels, double=double):
        run, products = _products(logits, pairs)
        arguments |= products
    else:
        run = launch.loss(batch, num_labels, coded=coded, double=double)
        arguments |= {
            "pairs": pairs,
            "second_pairs": pairs if second_pairs is None else second_pairs,
            "code_row": pairs.stride(0),
            "CODED": coded,
            "DTYPE": _COMPUTE[dtype],
        }
    _run(run, logits, partials=logits.new_empty((2, run.grid[1], batch), dtype=dtype), **arguments)
    return made


def _products(logits: Tensor, code: Tensor) -> tuple[launch.Launch, dict[str, Any]]:
    """The products of a loss on many labels; its last launch, and what that takes of them."""
    batch, num_labels = logits.shape
    plan = launch.wide_loss(batch, num_labels, capability=_capability(logits))
    sizes = {"padded_batch": plan.batch, "padded_labels": plan.labels}
    given = {"num_labels": num_labels, "code_row": code.stride(0)}
    halves = logits.new_empty((6, plan.batch, plan.labels), dtype=torch.float16)
    degrees = logits.new_empty((2, num_labels), dtype=torch.float32)
    products = logits.new_empty((plan.parts, 3, plan.batch, plan.labels), dtype=torch.float32)
    _run(
        plan.halves,
        logits,
        logits=logits,
        halves=halves,
        batch=batch,
        num_labels=num_labels,
        **_strides(logits),
        **sizes,
    )
    _run(plan.degrees, logits, code=code, degrees=degrees, **given)
    _run(plan.products, logits, halves=halves, code=code, products=products, length=plan.length, **given, **sizes)
    return plan.finish, {"products": products, "degrees": degrees, "parts": plan.parts, **sizes}


@loss_terms.register_fake
def _(
    logits: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    pairs: Tensor,
    second_pairs: Tensor | None,
    active: Tensor,
    counter: Tensor,
    alpha: float,
    normalization: str,
    reduction: str,
    gradient: str,
    dtype: torch.dtype,
) -> _Five:
    return _new_terms(logits, joint=targets is not None, dtype=dtype, reduction=reduction, gradient=gradient)


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
    """The chain rule; the arguments are those of `scale_kernel`, and `dtype` that of the result."""
    result = torch.empty_like(gradient, dtype=dtype)
    batch, num_labels = gradient.shape
    if batch == 0:
        return result

    def stride(upstream: Tensor | None) -> int:
        return 0 if upstream is None or upstream.ndim == 0 else upstream.stride(0)

    _run(
        launch.scale(batch, num_labels),
        gradient,
        gradient=gradient,
        second_gradient=gradient if second_gradient is None else second_gradient,
        of_total=gradient if of_total is None else of_total,
        of_entropy=gradient if of_entropy is None else of_entropy,
        of_relation=gradient if of_relation is None else of_relation,
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
def _(
    gradient: Tensor,
    second_gradient: Tensor | None,
    of_total: Tensor | None,
    of_entropy: Tensor | None,
    of_relation: Tensor | None,
    alpha: float,
    dtype: torch.dtype,
) -> Tensor:
    return torch.empty_like(gradient, dtype=dtype)
