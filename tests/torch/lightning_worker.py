"""One of two processes that Lightning trains with, for the tests of the monitor.

    torchrun --nproc-per-node=2 -m tests.torch.lightning_worker FOLDER

It writes FOLDER/RANK.pt: the states after a training without and one with the monitor, and the steps that it logged.
"""

import os
import sys
import warnings
from pathlib import Path

import torch
from lightning.pytorch.plugins.environments import TorchElasticEnvironment

from obrl.torch.lightning import OBRMonitor
from tests.torch.lightning_runs import Memory, Module, numbers, train

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    memory = Memory()
    results = {}
    for name, callbacks in {"plain": [], "watched": [OBRMonitor(every=5, history=folder / "history.npz")]}.items():
        module = Module()
        train(module, *callbacks, logger=memory, strategy="ddp", devices=2, plugins=[TorchElasticEnvironment()])
        results[name] = numbers(module)
    torch.save({**results, "steps": list(memory.rows)}, folder / f"{os.environ['RANK']}.pt")
