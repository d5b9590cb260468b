"""How long a run and a step of it take and how large its net is, measured while it trains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from reference_model.runs import read_json, write_json

SPEED_FILE = "speed.json"
SITTINGS_FILE = "sittings.json"


@contextmanager
def sitting(folder: Path) -> Iterator[None]:
    """Count a sitting of a run's training in ``sittings.json``, and add its seconds however it ends.

    Args:
        folder: The run's folder.
    """
    earlier = read_sittings(folder)
    number = earlier["number"] + 1
    write_json(folder / SITTINGS_FILE, {**earlier, "number": number})
    started = time.monotonic()
    try:
        yield
    finally:
        write_json(
            folder / SITTINGS_FILE, {"number": number, "seconds": earlier["seconds"] + time.monotonic() - started}
        )


def read_sittings(folder: Path) -> dict[str, Any]:
    """Return in how many sittings a run was trained and the seconds of all of them."""
    path = folder / SITTINGS_FILE
    return read_json(path) if path.is_file() else {"number": 0, "seconds": 0.0}


class Stopwatch(Callback):
    """Writes the net's parameters and the milliseconds of a step to ``speed.json`` at the end of the training.

    On a CPU that is the median over the batches of this sitting, forward, backward and optimiser, without waiting for
    pictures. On a GPU it is the mean over an epoch's batches, whose median over the epochs is taken, with the waiting:
    no step waits for the GPU. A step has ``train.accumulate`` batches.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / SPEED_FILE
        self._batches: list[float] = []
        self._started = 0.0
        self._epochs: list[float] = []
        self._epoch_started, self._first = 0.0, 0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note how long the batch took."""
        self._batches.append(time.perf_counter() - self._started)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the epoch's clock."""
        _wait(pl_module.device)
        self._epoch_started, self._first = time.perf_counter(), len(self._batches)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note the mean of the epoch's batches; the validation follows them."""
        _wait(pl_module.device)
        batches = len(self._batches) - self._first
        if batches:
            self._epochs.append((time.perf_counter() - self._epoch_started) / batches)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the file."""
        measured = self._batches if pl_module.device.type == "cpu" else self._epochs
        parameters = list(pl_module.parameters())
        content = {
            "parameters": sum(part.numel() for part in parameters),
            "trained_parameters": sum(part.numel() for part in parameters if part.requires_grad),
            "ms_per_step": 1000 * trainer.accumulate_grad_batches * median(measured) if measured else float("nan"),
        }
        write_json(self.path, content)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
