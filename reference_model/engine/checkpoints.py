"""Checkpoints from which a run resumes exactly, wherever it was stopped."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import nn

from reference_model.engine.loader import CheckedPictures, TrainLoader
from reference_model.engine.processes import from_all
from reference_model.runs import RunError

LAST = "last.ckpt"
STOP_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1")
    if hasattr(signal, name)  # Windows lacks one
)
STEP_KEY = "batches_done"
PROGRESS_KEY = "reference_model_progress"
UNUSABLE_KEY = "unusable_pictures"
RESUMED = frozenset({"state_dict", "global_step", STEP_KEY, PROGRESS_KEY, "loops", "optimizer_states", "lr_schedulers"})
"""What a checkpoint must hold for a training to go on."""
STEP_STREAM = 0x73746570  # "step": keeps this use of the seed apart from every other.


class TrainingInterrupted(Exception):  # noqa: N818 - not an error
    """The training was asked to stop, by Ctrl-C or by a signal.

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
        try:
            with unfinished.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(target)
        except RuntimeError as error:  # torch hides what the system said
            said = error.__context__
            reason = said if isinstance(said, OSError) else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise OSError(reason.errno, reason.strerror, str(target)) from error
        finally:
            unfinished.unlink(missing_ok=True)

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
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # torch seeks beyond the ends of a file that was cut
        raise ValueError(f"{path} is not a whole checkpoint: it is cut off") from error
    if not isinstance(content, dict) or not {"state_dict", "global_step", STEP_KEY} <= content.keys():
        raise ValueError(f"{path} is not a checkpoint of this program: it lacks weights or position")
    return content


def check_resumable(path: Path, module: nn.Module) -> int:
    """Check that a training can go on from a checkpoint, and return the number of its steps.

    Args:
        path: The checkpoint.
        module: What is trained; it takes on the checkpoint's state.

    Raises:
        RunError: If the checkpoint cannot be used; the message says how to start anew.
    """
    try:
        content = read_checkpoint(path)
        absent = sorted(RESUMED - content.keys())
        if absent:
            raise ValueError(f"{path} is not a whole checkpoint: it lacks {', '.join(absent)}")
        load_state(module, content, path)
    except ValueError as error:
        raise RunError(f"{error}. Delete this file, and the training starts from its beginning") from error
    return int(content["global_step"])


def load_state(module: nn.Module, content: Mapping[str, Any], path: Path) -> None:
    """Load the weights of a checkpoint, averaged ones where there are, and what the loss remembers.

    Raises:
        ValueError: If the checkpoint is that of another net.
    """
    latest = content.get("current_model_state", content["state_dict"])
    criterion = {name: value for name, value in latest.items() if name.startswith("criterion.")}
    try:
        module.load_state_dict({**content["state_dict"], **criterion})
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise ValueError(f"{path} is the checkpoint of another net: {first[0].strip()}") from error


class ResumeCheckpoint(Checkpoint):
    """Saves ``last.ckpt`` every few steps, after every epoch, and when the run is asked to stop.

    Together with the module and the optimiser the checkpoint holds the position in the data. Every batch has its own
    random numbers (`seed_step`), so that nothing else is needed to go on. A checkpoint is written between two steps
    of the optimiser only: a signal in the middle of a step waits for its end, and one in a validation for the
    validation's end. A second signal stops at once, without a checkpoint.

    Lightning starts an epoch anew after a checkpoint inside it; here the loader goes on where it was.

    Args:
        folder: Where ``last.ckpt`` lies.
        loader: The training batches.
        every: Steps between checkpoints.
        pictures: Whose unusable pictures a checkpoint lists, so that a resumed run reports those of before as well.
    """

    def __init__(
        self, folder: Path, loader: TrainLoader, *, every: int, pictures: Sequence[CheckedPictures] = ()
    ) -> None:
        self.path = folder / LAST
        self.loader = loader
        self.every = every
        self.pictures = pictures
        self._unusable_before: list[dict[int, str]] = [{} for _ in pictures]
        self.saved_step: int | None = None
        self._requested: int | None = None
        self._handlers: dict[int, Any] = {}

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the position in the data, and what could not be used of it."""
        checkpoint[STEP_KEY] = self.loader.batches_done
        checkpoint[UNUSABLE_KEY] = self._unusable_rows()

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the batch after the checkpoint."""
        self.loader.load_state_dict({STEP_KEY: checkpoint[STEP_KEY]})
        self.saved_step = int(checkpoint["global_step"])
        self._unusable_before = checkpoint.get(UNUSABLE_KEY, self._unusable_before)

    def _unusable_rows(self) -> list[dict[int, str]]:
        """Return, for each of ``pictures``, what is wrong with rows that any process or an earlier one has met."""
        here = [
            before | {picture.row: picture.reason for picture in pictures.unusable}
            for before, pictures in zip(self._unusable_before, self.pictures, strict=True)
        ]
        parts = zip(*from_all(here), strict=True)
        return [{row: reason for rows in part for row, reason in rows.items()} for part in parts]

    def unusable(self) -> tuple[str, ...]:
        """Return what is wrong with each unusable picture, of all processes and of those that the run went on from."""
        return tuple(reason for rows in self._unusable_rows() for _, reason in sorted(rows.items()))

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Install handlers of Ctrl-C, SIGTERM and SIGUSR1, which clusters send before they stop a job."""
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._requested is not None:
            raise TrainingInterrupted(number, self.saved_step)
        self._requested = number

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop here if the signal came at the end of the epoch before, whose checkpoint is saved."""
        requested = self._agreed_request(pl_module.device)
        if requested is not None:
            raise TrainingInterrupted(requested, self.saved_step)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Give the batch its own random numbers."""
        seed_step(self.loader.seed, step=self.loader.batches_done, rank=self.loader.rank)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save every few steps, and stop if asked to; the epoch's last step is saved after its validation."""
        if self.loader.at_epoch_end() or not self.loader.between_steps():
            return
        requested = self._agreed_request(pl_module.device)
        if requested is not None or trainer.global_step % self.every == 0:
            self._save(trainer)
        if requested is not None:
            raise TrainingInterrupted(requested, self.saved_step)

    def _agreed_request(self, device: torch.device) -> int | None:
        """Return the signal that any of the processes has got: they must stop after the same step."""
        if self.loader.processes == 1:
            return self._requested
        number = torch.tensor(self._requested or 0, device=device)
        dist.all_reduce(number, op=dist.ReduceOp.MAX)
        return int(number) or None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save after the epoch's validation."""
        self._save(trainer)

    def _save(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self.saved_step = trainer.global_step

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Restore the previous signal handlers; stop if the signal came at the end of the last epoch, now saved."""
        self._hand_back()
        requested = self._agreed_request(pl_module.device)
        if requested is not None:
            raise TrainingInterrupted(requested, self.saved_step)

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Restore the previous signal handlers."""
        self._hand_back()

    def _hand_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def seed_step(seed: int, *, step: int, rank: int) -> None:
    """Seed torch's generators for one training step, so that it does not depend on what was drawn before.

    Args:
        seed: The run's.
        step: The step.
        rank: The process.
    """
    state = np.random.SeedSequence([seed, step, rank, STEP_STREAM]).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))
