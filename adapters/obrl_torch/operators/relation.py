"""Counting pairs, moving the relation, and coding its pairs."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from obrl.measures import MEASURES
from obrl_torch.kernels import launch
from obrl_torch.operators.arguments import as_bytes, capability, is_double, launched, strides


def _counting(targets: Tensor, observed: Tensor | None) -> dict[str, Any]:
    """The arguments that counting takes."""
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


def _new_codes(relation_weight: Tensor, run: launch.Launch) -> tuple[Tensor, Tensor, Tensor]:
    """Room for what a launch over tiles of the relation writes."""
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
        launched(launch.pack(*reversed(packed.shape[1:])), on, **given, packed=packed, **sizes)
    return {"packed": packed, **sizes}


@torch.library.custom_op("obrl::count_pairs", mutates_args=())
def count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float32, (3, num_labels, num_labels)."""
    counts = targets.new_empty((3, targets.shape[1], targets.shape[1]), dtype=torch.float32)
    launched(launch.count(targets.shape[1]), targets, counts=counts, **_counting(targets, observed))
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
    if launch.is_wide(targets.shape[1], double=is_double(relation_weight)):
        arguments |= _packed(counting, run, targets)
    else:
        pairs, parts = run.grid
        room = pairs * parts * 4 * run.blocks["TILE"] ** 2 if parts > 1 else 1
        arguments |= counting | {
            "arrivals": arrivals,
            "partials": targets.new_empty((room,), dtype=torch.float32),
            "length": launch.padded(triton.cdiv(targets.shape[0], parts), run.blocks["ROWS"]),
        }
    launched(run, targets, **arguments)
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
    launched(run, relation_weight, counts=counts, MOVES=True, **arguments)
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
    launched(run, relation_weight, counts=relation_weight, MOVES=False, **arguments)
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
