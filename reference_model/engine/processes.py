"""One process or several: who started this one, and what it is among the others."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from reference_model.runs import RunError

Value = TypeVar("Value")

PATIENCE = timedelta(days=1)
"""How long a process waits for the others, while the first one reads the data or tests; where one fails, torchrun ends
all of them at once."""


def count_processes() -> int:
    """Return how many processes torchrun started for this training, 1 if it did not.

    Variables of a cluster's scheduler start nothing: a job that is to train in several processes says so with torchrun.
    """
    return int(os.environ["WORLD_SIZE"]) if TorchElasticEnvironment.detect() else 1


def check_launcher() -> None:
    """Refuse to be one of several processes that srun started without torchrun: each would train the same run.

    Raises:
        RunError: With the command that trains in several processes.
    """
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    started = "SLURM_PROCID" in os.environ and "SLURM_STEP_ID" in os.environ and tasks.isdecimal() and int(tasks) > 1
    if started and not TorchElasticEnvironment.detect():
        raise RunError(
            f"srun started {tasks} processes, and each would train the same run; let it start one, and torchrun in it: "
            f"srun --ntasks 1 torchrun --standalone --nproc-per-node {tasks} -m reference_model.train ..."
        )


def this_rank() -> int:
    """Return the number of this process among them."""
    return int(os.environ["RANK"]) if TorchElasticEnvironment.detect() else 0


def environment() -> ClusterEnvironment:
    """Return what Lightning should take the processes from, never the variables of a scheduler."""
    return TorchElasticEnvironment() if TorchElasticEnvironment.detect() else LightningEnvironment()


def strategy() -> Strategy | str:
    """Return how Lightning trains: buffers, such as the centres of 100,000 people, are not sent with every batch."""
    return DDPStrategy(broadcast_buffers=False) if count_processes() > 1 else "auto"


def join(device: str) -> None:
    """Connect the processes that torchrun started; Lightning would do so later.

    Args:
        device: The setting ``train.device``.
    """
    if count_processes() == 1 or dist.is_initialized():
        return
    if device != "cpu" and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)


def leave() -> None:
    """End what `join` began."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def from_first(value: Value) -> Value:
    """Return the first process's value in all of them; any plain value."""
    if count_processes() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def from_all(value: Value) -> list[Value]:
    """Return the values of all processes, in their order; any plain values."""
    if count_processes() == 1:
        return [value]
    values: list[Any] = [None] * count_processes()
    dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Wait until every process is here."""
    if count_processes() > 1:
        dist.barrier()


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Average the running means and variances of batch normalisation over the processes, so that all test one net.

    Nothing is to be done where it normalises by the pictures of all processes, as it does on GPUs, or is frozen.

    Args:
        model: The net, after a step.
    """
    if count_processes() == 1:
        return
    local = (part for part in model.modules() if isinstance(part, _BatchNorm) and part.training)
    averaged = [part for part in local if not isinstance(part, nn.SyncBatchNorm)]
    buffers = [buffer for part in averaged for buffer in (part.running_mean, part.running_var) if buffer is not None]
    if not buffers:
        return
    joined = torch.cat([buffer.flatten() for buffer in buffers])
    dist.all_reduce(joined)
    joined /= count_processes()
    for buffer, average in zip(buffers, joined.split([buffer.numel() for buffer in buffers]), strict=True):
        buffer.copy_(average.view_as(buffer))
