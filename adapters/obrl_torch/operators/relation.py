"""Pair counts, the move of the relation (Eq. 1), and the codes of its pairs (Eq. 3)."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from obrl.measures import MEASURES
from obrl_torch.kernels import launch
from obrl_torch.operators.arguments import as_bytes, capability, is_double, strides


def _count_arguments(targets: Tensor, observed: Tensor | None) -> dict[str, Any]:
    """The arguments of the kernels that count pairs."""
    labels, mask = as_bytes(targets), as_bytes(observed)
    return {
        "targets": labels,
        "observed": labels if mask is None else mask,
        "batch": targets.shape[0],
        "num_labels": targets.shape[1],
        **strides(labels),
        **{f"observed_{axis}": step for axis, step in strides(mask).items()},
        "MASKED": mask is not None,
        "COMPLETE": mask is None and not targets.dtype.is_floating_point,
    }


def _code_arguments(
    relation_sum: Tensor,
    relation_weight: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
    run: launch.Launch,
) -> tuple[dict[str, Any], tuple[Tensor, Tensor, Tensor]]:
    """The arguments of the kernels that move and code a relation, and the tensors that they write."""
    codes = _new_codes(relation_weight, run)
    code, active, counter = codes
    arguments = {
        "relation_sum": relation_sum,
        "relation_weight": relation_weight,
        "code": code,
        "active": active,
        "counter": counter,
        "decay_less_one": decay - 1.0,
        "r_p": positive_threshold,
        "r_n": negative_threshold,
        "num_labels": relation_weight.shape[0],
        "code_row": code.stride(0),
        "MEASURE": measure,
        "SYMMETRIC": MEASURES[measure].symmetric,
        "ESTIMATOR": estimator,
    }
    return arguments, codes


def _new_codes(relation_weight: Tensor, run: launch.Launch) -> tuple[Tensor, Tensor, Tensor]:
    """New tensors for what a launch over tiles of the relation writes: codes, numbers of active pairs and a counter."""
    num_labels = relation_weight.shape[0]
    return (
        relation_weight.new_empty((num_labels, launch.code_row(num_labels)), dtype=torch.int8),
        relation_weight.new_empty(run.grid[:1], dtype=torch.int32),
        relation_weight.new_empty((1,), dtype=torch.int32),
    )


def _relation_launch(batch: int, relation_weight: Tensor, measure: str, estimator: str) -> launch.Launch:
    num_labels = relation_weight.shape[0]
    if launch.is_wide(num_labels, double=is_double(relation_weight)):
        return launch.wide_relation(
            num_labels, capability=capability(relation_weight), measure=measure, estimator=estimator
        )
    return launch.relation(batch, num_labels)


def _code_launch(relation_weight: Tensor) -> launch.Launch:
    return launch.code(relation_weight.shape[0], double=is_double(relation_weight))


def _pack(counting: dict[str, Any], run: launch.Launch, targets: Tensor) -> dict[str, Any]:
    """Launch `pack_kernel`; returns the arguments of `wide_relation_kernel` that replace the targets."""
    batch, num_labels = targets.shape
    sizes = {
        "padded_batch": launch.padded(batch, run.blocks["ROWS"]),
        "padded_labels": launch.padded(num_labels, run.blocks["TILE"]),
    }
    packed = targets.new_empty((2, sizes["padded_labels"], sizes["padded_batch"]), dtype=torch.int8)
    if batch:
        arguments = {name: value for name, value in counting.items() if name != "COMPLETE"}
        run = launch.pack(sizes["padded_batch"], sizes["padded_labels"])
        run.on(targets, **arguments, packed=packed, **sizes)
    return {"packed": packed, **sizes}


@torch.library.custom_op("obrl::count_pairs", mutates_args=())
def count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float32, (3, num_labels, num_labels)."""
    counts = targets.new_empty((3, targets.shape[1], targets.shape[1]), dtype=torch.float32)
    launch.count(targets.shape[1]).on(targets, counts=counts, **_count_arguments(targets, observed))
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
    """Eq. 1 for a batch, in place.

    `arrivals` are `launch.most_arrivals()` zeros, int32, and zeros again afterwards. The programs of a launch count
    there how many of them have ended, so two launches that run at the same time must not share them.

    Returns:
        The codes of the pairs, numbers whose sum is twice the number of active ordered pairs, and a counter of 0.
    """
    run = _relation_launch(targets.shape[0], relation_weight, measure, estimator)
    arguments, codes = _code_arguments(
        relation_sum, relation_weight, decay, positive_threshold, negative_threshold, measure, estimator, run
    )
    counting = _count_arguments(targets, observed)
    if launch.is_wide(targets.shape[1], double=is_double(relation_weight)):
        arguments |= _pack(counting, run, targets)
    else:
        pairs, parts = run.grid
        numbers = pairs * parts * 4 * run.blocks["TILE"] ** 2 if parts > 1 else 1
        arguments |= counting | {
            "arrivals": arrivals,
            "partials": targets.new_empty((numbers,), dtype=torch.float32),
            "length": launch.padded(triton.cdiv(targets.shape[0], parts), run.blocks["ROWS"]),
        }
    run.on(targets, **arguments)
    return codes


@move_relation.register_fake
def _(
    targets: Tensor, observed: Tensor | None, relation_sum: Tensor, relation_weight: Tensor, *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    # The number of rows may be symbolic here; the shapes of the results do not depend on it.
    return _new_codes(relation_weight, _relation_launch(1, relation_weight, *options[-2:]))


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
    """As `move_relation`, for the counts of `count_pairs`, summed over processes."""
    run = _code_launch(relation_weight)
    arguments, codes = _code_arguments(
        relation_sum, relation_weight, decay, positive_threshold, negative_threshold, measure, estimator, run
    )
    run.on(relation_weight, counts=counts, MOVES=True, **arguments)
    return codes


@move_by_counts.register_fake
def _(counts: Tensor, relation_sum: Tensor, relation_weight: Tensor, *options: Any) -> tuple[Tensor, Tensor, Tensor]:
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
    """What `move_relation` returns, for a relation that does not move."""
    run = _code_launch(relation_weight)
    arguments, codes = _code_arguments(
        relation_sum, relation_weight, 1.0, positive_threshold, negative_threshold, measure, estimator, run
    )
    run.on(relation_weight, counts=relation_weight, MOVES=False, **arguments)
    return codes


@code_pairs.register_fake
def _(relation_sum: Tensor, relation_weight: Tensor, *options: Any) -> tuple[Tensor, Tensor, Tensor]:
    return _new_codes(relation_weight, _code_launch(relation_weight))
