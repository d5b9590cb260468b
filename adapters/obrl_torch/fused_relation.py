"""`impl="fused"`: the relation and the codes of its pairs, in native code on a CPU, in Triton's kernels on a GPU.

Codes are what a fused loss holds of a relation: of `NativeLoss` the tensor `code`, of `KernelLoss` also `active` and
`counter`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from obrl.online import RelationState
from obrl.settings import Settings
from obrl_torch import native_relation
from obrl_torch.distributed import is_shared
from obrl_torch.fused import is_native
from obrl_torch.plain import Tensors


def update_and_code(
    state: RelationState,
    arrivals: Tensor,
    targets: Tensor,
    observed: Tensor | None,
    settings: Settings,
    *,
    sync: bool,
    process_group: dist.ProcessGroup | None,
) -> Tensors:
    """Eq. 1 in place, for the batch of all processes of the group; returns the codes of the pairs after it.

    The caller turns autograd off, as for `code_state`.

    Args:
        state: the accumulators.
        arrivals: counters from `fused.new_arrivals`, stored with the state: launches that run at once must not share
            them.
        targets: (batch, num_labels), checked.
        observed: (batch, num_labels) bool, or None.
        settings: of the relation.
        sync: whether to sum the counts of several processes.
        process_group: None is the default group.
    """
    options = (settings.decay, *_coding_options(settings))
    shared = is_shared(sync=sync, process_group=process_group)
    if is_native(targets.device):
        counts = None
        if shared:
            counts = native_relation.count_pairs(targets, observed)
            dist.all_reduce(counts, op=dist.ReduceOp.SUM, group=process_group)
        batch = (None, None, counts) if shared else (targets, observed, None)
        return (native_relation.move_relation(*batch, *state, *options),)
    from obrl_torch import operators

    if not shared:
        return tuple(operators.move_relation(targets, observed, *state, arrivals, *options))
    counts = operators.count_pairs(targets, observed)
    dist.all_reduce(counts, op=dist.ReduceOp.SUM, group=process_group)
    return tuple(operators.move_by_counts(counts, *state, *options))


def code_state(state: RelationState, settings: Settings) -> Tensors:
    """The codes of the pairs of a relation that does not move."""
    return _code(state, *_coding_options(settings))


@torch.no_grad()
def code_relation(relation: Tensor, positive_threshold: float, negative_threshold: float) -> Tensors:
    """The codes of the pairs of a relation matrix, NaN where there is no evidence; each direction counts half."""
    values = relation.to(torch.promote_types(relation.dtype, torch.float32))
    known = ~torch.isnan(values)
    state = RelationState(torch.where(known, values, 0.0).contiguous(), known.to(values.dtype).contiguous())
    # A state of weight 1 has the matrix as its relation, and "conditional" is a measure that is not symmetric.
    return _code(state, positive_threshold, negative_threshold, "conditional", "batch")


def _coding_options(settings: Settings) -> tuple[float, float, str, str]:
    return settings.positive_threshold, settings.negative_threshold, settings.measure, settings.estimator


def _code(state: RelationState, *options: Any) -> Tensors:
    if is_native(state.relation_weight.device):
        return (native_relation.code_pairs(*state, *options),)
    from obrl_torch import operators

    return tuple(operators.code_pairs(*state, *options))
