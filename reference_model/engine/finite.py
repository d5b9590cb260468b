"""What stops a training, in words; one whose numbers are no longer finite stops with the last good checkpoint kept."""

from __future__ import annotations

import errno
import math
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from reference_model.engine.checkpoints import ResumeCheckpoint
from reference_model.runs import RunError


class NotFiniteError(RunError):
    """The loss or the weights are not finite; the message names the step and a remedy."""


class FiniteGuard(Callback):
    """Stops the training where the loss or a weight is infinite or NaN, before any checkpoint holds it.

    On a GPU the loss is looked at only where a checkpoint is about to be written, so that no step waits for it.

    Args:
        learning_rate: The run's, for the message.
        checkpoint: What saves checkpoints, for the message.
    """

    def __init__(self, learning_rate: float, checkpoint: ResumeCheckpoint) -> None:
        self.learning_rate = learning_rate
        self.checkpoint = checkpoint
        self._first: Tensor | None = None  # the first step whose loss is not finite, 0 for none

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Look at the loss of a batch."""
        loss = outputs["loss"].detach()
        first = torch.zeros((), dtype=torch.int64, device=loss.device) if self._first is None else self._first
        step = max(trainer.global_step, 1)  # 0 after the first of several batches of the first step
        self._first = torch.where((first == 0) & ~torch.isfinite(loss), step, first)
        if loss.device.type == "cpu":
            self._check_loss()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at the loss of the validation."""
        if not math.isfinite(float(trainer.callback_metrics.get("valid/loss", 0.0))):
            raise self._error(trainer.global_step, "the loss of the validation is")

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Look at the loss and the weights before they are written."""
        self._check_loss()
        for name, parameter in pl_module.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise self._error(trainer.global_step, f"the weights {name.removeprefix('model.')} are")

    def _check_loss(self) -> None:
        if self._first is not None and int(self._first):
            raise self._error(int(self._first), "the loss is")

    def _error(self, step: int, what: str) -> NotFiniteError:
        saved = self.checkpoint.saved_step
        last = "there is no checkpoint yet" if saved is None else f"the checkpoint of step {saved} is still good"
        return NotFiniteError(
            f"step {step}: {what} not finite; {last}. Start a new run with a smaller optim.lr "
            f"(here {self.learning_rate:g}) or a longer optim.warmup"
        )


def in_words(error: BaseException) -> str:
    """Return what stopped a training, as a sentence without its full stop."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "the memory is full; end other programs, or start a run with a smaller train.batch_size"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{error.filename or 'the run folder'} cannot be written: {error.strerror}; make room for it"
    return str(error).rstrip(".")
