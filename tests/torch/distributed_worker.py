"""One process of a gloo group: runs every scenario and writes what it ends with.

    python -m tests.torch.distributed_worker RANK WORLD_SIZE STORE_FILE OUT.npz

A scenario is a function of the rank that returns named arrays; the test compares them with one process that has all
the rows.
"""

import copy
import datetime
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch.nn.parallel import DistributedDataParallel

from obrl.torch import OBRLoss, OnlineBatchRelation
from tests.torch.distributed_data import LABELS, SPLITS, batches, logits_of, part

Arrays = dict[str, NDArray[Any]]
TIMEOUT = datetime.timedelta(seconds=60)


def state(module: Any) -> Arrays:
    return {name: module.get_buffer(name).numpy() for name in ("relation_sum", "relation_weight")}


def run(criterion: Any, rank: int, split: str, *, missing: bool = False) -> Arrays:
    """Three batches, of which this rank sees its rows."""
    losses = []
    for targets in batches(missing=missing):
        rows = part(split, rank)
        x = logits_of(targets)[rows].requires_grad_()
        loss = criterion(x, targets[rows])
        loss.backward()
        losses.append(float(loss.detach()))
    return {**state(criterion), "loss": np.array(losses)}


def uneven(rank: int, **settings: Any) -> Arrays:
    return run(OBRLoss(LABELS, decay=0.9, **settings), rank, "7 and 3")


def empty(rank: int, **settings: Any) -> Arrays:
    return run(OBRLoss(LABELS, decay=0.9, **settings), rank, "10 and 0")


def missing_on_one(rank: int, **settings: Any) -> Arrays:
    """Only the first rows miss a target, so that one rank has nothing missing."""
    return run(OBRLoss(LABELS, decay=0.9, **settings), rank, "7 and 3", missing=True)


def alone(rank: int) -> Arrays:
    return run(OBRLoss(LABELS, decay=0.9, sync=False), rank, "7 and 3")


def own_group(rank: int) -> Arrays:
    groups = [dist.new_group([member]) for member in range(dist.get_world_size())]
    return run(OBRLoss(LABELS, decay=0.9, process_group=groups[rank]), rank, "7 and 3")


def bare_relation(rank: int) -> Arrays:
    relation = OnlineBatchRelation(LABELS, decay=0.9)
    for targets in batches():
        relation.update(targets[part("7 and 3", rank)])
    return state(relation)


def validation_is_local(rank: int) -> Arrays:
    """The first rank validates and the second does not: a collective here would never end."""
    criterion = OBRLoss(LABELS, decay=0.9)
    targets = batches()[0]
    if rank == 0:
        with torch.no_grad():
            criterion(logits_of(targets), targets)
        criterion(logits_of(targets), targets, update=False)
        OBRLoss(LABELS, freeze=True, relation=torch.eye(LABELS))(logits_of(targets), targets)
    return run(criterion, rank, "7 and 3")


def copies(rank: int) -> Arrays:
    """A copy shares the group; what was pickled uses the default group."""
    group = dist.new_group(list(range(dist.get_world_size())))
    criterion = OBRLoss(LABELS, decay=0.9, process_group=group)
    copied = copy.deepcopy(torch.nn.ModuleList([criterion]))[0]
    if copied.process_group is not group or criterion.process_group is not group:
        raise AssertionError("a copy must share the process group")
    unpickled = pickle.loads(pickle.dumps(copied))  # noqa: S301
    if unpickled.process_group is not None:
        raise AssertionError("a pickled module must drop the process group")
    first, second = run(copied, rank, "7 and 3"), run(unpickled, rank, "7 and 3")
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    return first


class Net(torch.nn.Module):
    """A net whose loss is part of it, as DistributedDataParallel wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(LABELS, LABELS)
        self.criterion = OBRLoss(LABELS, decay=0.9)

    def forward(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.criterion(self.layer(x), targets)


def data_parallel(rank: int) -> Arrays:
    torch.manual_seed(0)
    net = Net()
    parallel = DistributedDataParallel(net)
    for targets in batches():
        rows = part("7 and 3", rank)
        parallel(logits_of(targets)[rows], targets[rows]).backward()
    return state(net.criterion)


SCENARIOS: dict[str, Callable[[int], Arrays]] = {
    "batch": uneven,
    "counts": lambda rank: uneven(rank, estimator="counts"),
    "empty": empty,
    "missing": missing_on_one,
    "fused": lambda rank: uneven(rank, impl="fused"),
    "fused counts": lambda rank: uneven(rank, impl="fused", estimator="counts"),
    "fused empty": lambda rank: empty(rank, impl="fused"),
    "fused missing": lambda rank: missing_on_one(rank, impl="fused"),
    "alone": alone,
    "own group": own_group,
    "bare": bare_relation,
    "validation": validation_is_local,
    "copies": copies,
    "data parallel": data_parallel,
}


def main(rank: int, world_size: int, store: str, out: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size, timeout=TIMEOUT)
    if world_size != len(next(iter(SPLITS.values()))):
        raise ValueError(f"the splits are for {len(next(iter(SPLITS.values())))} processes, got {world_size}")
    results = {
        f"{scenario}/{name}": array
        for scenario, function in SCENARIOS.items()
        for name, array in function(rank).items()
    }
    np.savez(out, **results)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
