"""The training step as a LightningModule."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from obrl.torch import OBRLoss
from reference_model.config import OptimConfig, RunConfig
from reference_model.influence import DEFINITIONS, InfluenceMeter, measure_shares
from reference_model.loader import Batch
from reference_model.logs import epoch_line
from reference_model.metrics import LabelCounts, nanmean
from reference_model.nets import AttributeModel
from reference_model.objective import Terms, build_criterion
from reference_model.schedule import make_optimizer, make_scheduler

PROGRESS_KEY = "reference_model_progress"


class AttributeModule(lightning.LightningModule):
    """Trains an `AttributeModel` with cross-entropy alone or with the joint loss.

    Args:
        model: The net.
        config: The run's settings.
        names: Names of the attributes, in the order of the net's outputs.
        total_steps: Steps of the whole run, for the learning rate.
    """

    _train_sums: Tensor
    _valid_sums: Tensor

    def __init__(self, model: AttributeModel, config: RunConfig, names: Sequence[str], *, total_steps: int) -> None:
        super().__init__()
        self.model = model
        self.criterion = build_criterion(config.loss, config.relation, names)
        self.config = config
        self.total_steps = total_steps
        self.train_counts = LabelCounts(len(names))
        self.valid_counts = LabelCounts(len(names))
        self.influence = InfluenceMeter()
        self._values: dict[str, float] = {}
        # Sums of total, cross-entropy and relation loss over the batches of the current epoch, and their number.
        self.register_buffer("_train_sums", torch.zeros(4, dtype=torch.float64), persistent=False)
        self.register_buffer("_valid_sums", torch.zeros(4, dtype=torch.float64), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Pixels (batch, 3, size, size) to logits (batch, num_labels)."""
        return self.model(images)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch, moving the relation by its targets."""
        logits = self.model(batch.images)
        terms = self.criterion.terms(logits, batch.targets)
        self._train_sums += _sums(terms)
        self.train_counts.update(logits.detach(), batch.targets)
        if isinstance(self.criterion, OBRLoss) and self.global_step % self.config.train.influence_every == 0:
            self.influence.add(*measure_shares(terms, logits, alpha=self.config.relation.alpha))
        self.log("loss", terms.total.detach(), prog_bar=True, logger=False)
        return terms.total

    def on_train_start(self) -> None:
        """Start the clock, also in the middle of an epoch."""
        self._epoch_started = time.monotonic()

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means and start the next ones."""
        self.influence.end_epoch()
        values = _epoch_means("train", self._train_sums, self.train_counts)
        values["train/lr"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        if isinstance(self.criterion, OBRLoss):
            shares = self.influence.summary()
            for name in DEFINITIONS:
                if shares[name]["last_epoch"] is not None:
                    values[f"train/{name}"] = shares[name]["last_epoch"]
            values["train/active_pairs"] = float(len(self.criterion.pairs()))
        self._write(values)
        now = time.monotonic()
        seconds, self._epoch_started = now - self._epoch_started, now
        epochs = self.config.train.epochs
        self.print(epoch_line(self._values, epoch=self.current_epoch + 1, epochs=epochs, seconds=seconds))
        sys.stdout.flush()

    def on_validation_epoch_start(self) -> None:
        """Set the sums of the validation to 0."""
        self._valid_sums.zero_()
        self.valid_counts.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count; the relation does not move, since the module is in evaluation mode and without gradients."""
        logits = self.model(batch.images)
        self._valid_sums += _sums(self.criterion.terms(logits, batch.targets)) * len(logits)
        self.valid_counts.update(logits, batch.targets)

    def on_validation_epoch_end(self) -> None:
        """Log the validation's means."""
        values = _epoch_means("valid", self._valid_sums, self.valid_counts)
        self.log("valid/accuracy", values["valid/accuracy"], prog_bar=True, logger=False)
        self._write(values)

    def _write(self, values: dict[str, float]) -> None:
        # Write to the loggers at once, before the checkpoint of this step: a run that is killed at any time has then
        # every row up to its checkpoint.
        self._values.update(values)
        for logger in self.loggers:
            logger.log_metrics({"epoch": float(self.current_epoch), **values}, step=self.global_step)
            logger.save()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the epoch's sums so far; tensors and plain numbers only."""
        checkpoint[PROGRESS_KEY] = {
            "train_sums": self._train_sums.clone(),
            "train_counts": self.train_counts.counts.clone(),
            "influence": self.influence.state_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` added."""
        progress = checkpoint[PROGRESS_KEY]
        self._train_sums.copy_(progress["train_sums"])
        self.train_counts.counts.copy_(progress["train_counts"])
        self.influence.load_state_dict(progress["influence"])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimiser and a learning rate that changes every step."""
        optim: OptimConfig = self.config.optim
        optimizer = make_optimizer(self.model, optim)
        scheduler = make_scheduler(optimizer, optim, total_steps=self.total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _epoch_means(stage: str, sums: Tensor, counts: LabelCounts) -> dict[str, float]:
    total, entropy, relation, number = sums.tolist()
    values = {
        f"{stage}/loss": total / number,
        f"{stage}/cross_entropy": entropy / number,
        f"{stage}/relation_loss": relation / number,
        f"{stage}/accuracy": nanmean(counts.accuracy()),
        f"{stage}/balanced_accuracy": nanmean(counts.balanced_accuracy()),
    }
    sums.zero_()
    counts.reset()
    return values


def _sums(terms: Terms) -> Tensor:
    parts = (terms.total, terms.cross_entropy, terms.relation_loss)
    values = torch.stack([part.detach().double() for part in parts])
    return torch.cat([values, values.new_ones(1)])
