"""One of two processes: runs every scenario and writes the relation that it ends with.

    python -m torch.distributed.run --standalone --nproc-per-node=2 -m tests.hub.worker FOLDER

A scenario is a function of a folder that returns a module with the relation; the tests compare it with one process
that has all the rows.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as checkpoints
from accelerate import Accelerator
from torch import nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.utils.data import DataLoader, TensorDataset

from obrl.torch import OBRLoss
from tests.torch.distributed_data import LABELS, ROWS, batches, logits_of

HALF = ROWS // 2


class Net(nn.Module):
    """A net that computes its loss in `forward`, and one more layer, so that there is something to shard."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(LABELS, 16), nn.ReLU(), nn.Linear(16, LABELS))
        self.criterion = OBRLoss(LABELS, decay=0.9, pos_weight=[2.0] * LABELS)

    def forward(self, x: Any, targets: Any = None) -> Any:
        logits = self.layers(x)
        return logits if targets is None else self.criterion(logits, targets)


def rows() -> slice:
    """The rows of each batch that this process sees."""
    return slice(HALF * dist.get_rank(), HALF * (dist.get_rank() + 1))


def loader() -> DataLoader[Any]:
    """Batches of five rows; Accelerate gives the first process the first, the second the second, and so on."""
    targets = torch.cat(batches(missing=True))
    return DataLoader(TensorDataset(logits_of(targets), targets), batch_size=HALF)


def step(loss: torch.Tensor, optimizer: torch.optim.Optimizer, backward: Callable[..., None]) -> None:
    backward(loss)
    optimizer.step()
    optimizer.zero_grad()


def accelerate_part_of_the_model(folder: Path) -> nn.Module:
    """Two batches, `save_state`; a new model, `load_state` and the third batch."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    for first in (True, False):
        model = nn.Linear(LABELS, LABELS)
        model.criterion = criterion = OBRLoss(LABELS, decay=0.9)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model, optimizer, data = accelerator.prepare(model, optimizer, loader())
        parts = list(data)
        if not first:
            accelerator.load_state(folder)
        for x, targets in parts[:2] if first else parts[2:]:
            with accelerator.accumulate(model):
                step(criterion(model(x), targets), optimizer, accelerator.backward)
        with torch.no_grad():
            criterion(model(x), 1 - targets)
        if first:
            accelerator.save_state(folder)
            accelerator.free_memory()
    accelerator.free_memory()
    return criterion


def accelerate_registered(folder: Path) -> nn.Module:
    """The same with a criterion beside the model."""
    for first in (True, False):
        accelerator = Accelerator(cpu=True)
        model, criterion = nn.Linear(LABELS, LABELS), OBRLoss(LABELS, decay=0.9).to(accelerator.device)
        model, data = accelerator.prepare(model, loader())
        accelerator.register_for_checkpointing(criterion)
        parts = list(data)
        if not first:
            accelerator.load_state(folder)
        for x, targets in parts[:2] if first else parts[2:]:
            accelerator.backward(criterion(model(x), targets))
        if first:
            accelerator.save_state(folder)
        accelerator.free_memory()
    return criterion


def trainer(folder: Path) -> nn.Module:
    """Trainer with four rows a process."""
    from tests.hub import trainer_runs

    run = trainer_runs.trainer(folder, save_strategy="no", dataloader_drop_last=True)
    run.train()
    return run.model.criterion


def sharded_net(*, fully: bool) -> nn.Module:
    net = Net()
    if not fully:
        return FullyShardedDataParallel(net, device_id=torch.device("cpu"), use_orig_params=True)
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for layer in net.layers:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    return fully_shard(net, mesh=mesh)


def sharded_inside(folder: Path, *, fully: bool) -> nn.Module:
    """The net computes its loss; two batches, a distributed checkpoint, a new net that loads it, the third batch."""
    for first in (True, False):
        net = sharded_net(fully=fully)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        if not first:
            state = get_model_state_dict(net)
            checkpoints.load(state, checkpoint_id=folder)
            set_model_state_dict(net, state)
        for targets in batches(missing=True)[:2] if first else batches(missing=True)[2:]:
            part = targets[rows()]
            step(net(logits_of(part), part), optimizer, torch.Tensor.backward)
        if first:
            checkpoints.save(get_model_state_dict(net), checkpoint_id=folder)
    return net.criterion if fully else net.module.criterion


def sharded_outside(folder: Path, *, fully: bool) -> nn.Module:
    """The criterion is no part of the sharded net."""
    net, criterion = sharded_net(fully=fully), OBRLoss(LABELS, decay=0.9)
    for targets in batches(missing=True):
        part = targets[rows()]
        criterion(net(logits_of(part)), part).backward()
    return criterion


def on_the_meta_device(folder: Path) -> nn.Module:
    """FSDP2 on a net without memory, which is then allocated and initialised."""
    with torch.device("meta"):
        net = Net()
    fully_shard(net, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
    net.to_empty(device="cpu")
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    for targets in batches(missing=True):
        part = targets[rows()]
        net(logits_of(part), part).backward()
    return net.criterion


SCENARIOS: dict[str, Callable[[Path], nn.Module]] = {
    "accelerate, part of the model": accelerate_part_of_the_model,
    "accelerate, registered": accelerate_registered,
    "trainer": trainer,
    "fsdp2, inside": lambda folder: sharded_inside(folder, fully=True),
    "fsdp2, outside": lambda folder: sharded_outside(folder, fully=True),
    "fsdp2, meta device": on_the_meta_device,
    "fsdp1, inside": lambda folder: sharded_inside(folder, fully=False),
    "fsdp1, outside": lambda folder: sharded_outside(folder, fully=False),
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    results = {}
    Accelerator(cpu=True)  # initialises torch.distributed with gloo
    for name, scenario in SCENARIOS.items():
        place = folder / name
        place.mkdir(exist_ok=True)
        results[name] = scenario(place).state_dict()
    torch.save(results, folder / f"{dist.get_rank()}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
