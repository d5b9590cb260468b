"""Checkpoints from which a run resumes exactly, wherever it was stopped."""

from __future__ import annotations

import os
import pickle
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO

from reference_model.loader import TrainLoader

LAST = "last.ckpt"
RANDOM_KEY = "random_states"
STEP_KEY = "batches_done"


class TrainingInterrupted(Exception):  # noqa: N818 - not an error
    """The training was asked to stop, by Ctrl-C or by SIGTERM.

    Args:
        signal_number: The signal.
        step: The step of the checkpoint to go on from, None if there is none.
    """

    def __init__(self, signal_number: int, step: int | None) -> None:
        super().__init__(f"interrupted by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number
        self.step = step


class AtomicCheckpointIO(CheckpointIO):
    """Writes a checkpoint under another name, then renames it; never unpickles.

    A process killed while it writes leaves the previous checkpoint as it was.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint`` to ``path`` with torch.save."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(target.name + ".tmp")
        with unfinished.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint; tensors and plain types only, whatever ``weights_only`` says."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without unpickling code.

    Raises:
        ValueError: If the file is not a checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a checkpoint of this program: {error}") from error
    if not isinstance(content, dict) or not {"state_dict", STEP_KEY, RANDOM_KEY} <= content.keys():
        raise ValueError(f"{path} is not a checkpoint of this program: it lacks weights, position or random states")
    return content


class ResumeCheckpoint(Checkpoint):
    """Saves ``last.ckpt`` every few steps, after every epoch, and when the run is asked to stop.

    Together with the module and the optimiser the checkpoint holds the position in the data and the states of all
    random number generators. It is written between two steps only: a signal in the middle of a step waits for its
    end, and one in a validation for the validation's end. A second signal stops at once, without a checkpoint.

    Lightning starts an epoch anew after a checkpoint inside it; here the loader goes on where it was.

    Args:
        folder: Where ``last.ckpt`` lies.
        loader: The training batches.
        every: Steps between checkpoints.
    """

    def __init__(self, folder: Path, loader: TrainLoader, *, every: int) -> None:
        self.path = folder / LAST
        self.loader = loader
        self.every = every
        self.saved_step: int | None = None
        self._requested: int | None = None
        self._restored: dict[str, Any] | None = None
        self._handlers: dict[int, Any] = {}

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the position in the data and the random states."""
        checkpoint[STEP_KEY] = self.loader.batches_done
        checkpoint[RANDOM_KEY] = random_states()

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the random states until the first step, so that nothing before it draws from them."""
        self.loader.load_state_dict({STEP_KEY: checkpoint[STEP_KEY]})
        self._restored = checkpoint[RANDOM_KEY]
        self.saved_step = int(checkpoint[STEP_KEY])

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Install handlers of Ctrl-C and SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._requested is not None:
            raise TrainingInterrupted(number, self.saved_step)
        self._requested = number

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop here if the signal came at the end of the epoch before, whose checkpoint is saved."""
        if self._requested is not None:
            raise TrainingInterrupted(self._requested, self.saved_step)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Restore the random states before the first step after a checkpoint."""
        if self._restored is not None:
            restore_random_states(self._restored)
            self._restored = None

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save every few steps, and stop if asked to; the epoch's last step is saved after its validation."""
        if batch_idx + 1 == len(self.loader):
            return
        if self._requested is not None or trainer.global_step % self.every == 0:
            self._save(trainer)
        if self._requested is not None:
            raise TrainingInterrupted(self._requested, self.saved_step)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save after the epoch's validation."""
        self._save(trainer)

    def _save(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self.saved_step = trainer.global_step

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Restore the previous signal handlers."""
        self._hand_back()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Restore the previous signal handlers."""
        self._hand_back()

    def _hand_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def random_states() -> dict[str, Any]:
    """Return the states of Python's, NumPy's and torch's generators, as tensors and plain types."""
    version, numbers, gauss = random.getstate()
    legacy: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - saved in case anything uses it
    return {
        "python": [version, list(numbers), gauss],
        "numpy": {
            "key": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
            "pos": int(legacy["state"]["pos"]),
            "has_gauss": int(legacy["has_gauss"]),
            "gauss": float(legacy["gauss"]),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Set every generator to what `random_states` returned."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    legacy = states["numpy"]
    np.random.set_state(  # noqa: NPY002
        ("MT19937", legacy["key"].numpy().astype(np.uint32), legacy["pos"], legacy["has_gauss"], legacy["gauss"])
    )
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def seed_everything(seed: int) -> Callable[[], None]:
    """Seed every generator for a run, and return a function that restores their states."""
    before = random_states()
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
    return lambda: restore_random_states(before)
