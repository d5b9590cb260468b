"""One relation across processes: sum the counts, then measure."""

from __future__ import annotations

import numpy as np
import torch
import torch.distributed as dist

from obrl.counts import PairCounts, pair_counts
from obrl_torch import host
from obrl_torch.inputs import Labels
from obrl_torch.namespace import TORCH


def is_shared(*, sync: bool, process_group: dist.ProcessGroup | None) -> bool:
    """Whether counts come from more than one process."""
    if not sync or not dist.is_available() or not dist.is_initialized():
        return False
    return dist.get_world_size(process_group) > 1


def count_small(labels: Labels, dtype: torch.dtype) -> PairCounts | None:
    """The pair counts of a batch of this process alone, as arrays of a dtype; None where the host may not see it."""
    views = host.arrays([labels.positive, labels.observed])
    if views is None:
        return None
    positive, observed = views  # 0 and 1, whose products are exact at any precision
    with np.errstate(all="ignore"):  # products on Apple silicon warn of finite factors
        if observed is None:
            both = host.HOST.matmul(positive.T, positive)
            ones = both.diagonal()[None]  # a sum, as in `pair_counts`, would take a third of this function's time
            counts = PairCounts(n=len(positive), s=both, r=ones.T, c=ones)
        else:
            counts = pair_counts(host.HOST, positive, observed.astype(positive.dtype), len(positive))
    if dtype == labels.positive.dtype:
        return counts
    return PairCounts(*(part if isinstance(part, int) else part.astype(host.DTYPES[dtype]) for part in counts))


def count_batch(labels: Labels, *, sync: bool, process_group: dist.ProcessGroup | None) -> PairCounts:
    """The pair counts of a batch, over all processes of the group.

    Every process of the group must call this, one with an empty batch too: there is one SUM all-reduce of n, s and r.
    """
    observed = None if labels.observed is None else labels.observed.to(labels.positive.dtype)
    rows = labels.positive.shape[0]
    if not is_shared(sync=sync, process_group=process_group):
        return pair_counts(TORCH, labels.positive, observed, rows)
    # All processes must send the same shapes, whether or not one of them misses a target.
    observed = torch.ones_like(labels.positive) if observed is None else observed
    counts = pair_counts(TORCH, labels.positive, observed, rows)
    packed = torch.stack([counts.n, counts.s, counts.r])
    dist.all_reduce(packed, op=dist.ReduceOp.SUM, group=process_group)
    n, s, r = packed.unbind(0)
    return PairCounts(n, s, r, r.mT)
