"""One relation across processes: sum the pair counts of all processes, then measure them."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from obrl.counts import MAX_EXACT_COUNT, PairCounts, pair_counts
from obrl.labels import Labels
from obrl_torch.namespace import TORCH


def is_shared(*, sync: bool, process_group: dist.ProcessGroup | None) -> bool:
    """Whether counts come from more than one process."""
    if not sync or not dist.is_available() or not dist.is_initialized():
        return False
    return dist.get_world_size(process_group) > 1


def count_batch(
    labels: Labels, dtype: torch.dtype, *, sync: bool, process_group: dist.ProcessGroup | None
) -> PairCounts:
    """The pair counts of a batch over all processes of the group, in `dtype`.

    Every process of the group must call this, one with an empty batch too: there is one SUM all-reduce of n, s and r.
    """
    rows = labels.positive.shape[0]
    counting = torch.float32 if rows <= MAX_EXACT_COUNT else torch.float64
    positive = labels.positive.to(counting)
    observed = None if labels.observed is None else labels.observed.to(counting)
    if is_shared(sync=sync, process_group=process_group):
        # All processes must send the same shapes, whether or not one of them misses a target.
        observed = torch.ones_like(positive) if observed is None else observed
        counts = pair_counts(TORCH, positive, observed, rows)
        packed = torch.stack([counts.n, counts.s, counts.r])
        dist.all_reduce(packed, op=dist.ReduceOp.SUM, group=process_group)
        n, s, r = packed.unbind(0)
        counts = PairCounts(n, s, r, r.mT)
    else:
        counts = pair_counts(TORCH, positive, observed, rows)
    return PairCounts(*(count.to(dtype) if isinstance(count, Tensor) else count for count in counts))
