"""The training step of any stage as a LightningModule."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

import lightning
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from reference_model.config import RunConfig
from reference_model.engine.building import build_net
from reference_model.engine.checkpoints import PROGRESS_KEY
from reference_model.engine.figures import EpochFigures
from reference_model.engine.loader import Batch, TrainLoader
from reference_model.engine.logs import course_of_epoch, epoch_line
from reference_model.engine.processes import average_statistics
from reference_model.engine.schedule import make_optimizer, make_scheduler
from reference_model.engine.starting import Account, freeze, pretrained_parameters
from reference_model.nets.model import choose_forward
from reference_model.stages.stage import Outputs, Stage, Targets

__all__ = ["StageModule", "build_net"]


class StageModule(lightning.LightningModule):
    """Trains the net of a stage.

    Args:
        stage: The stage.
        targets: What it predicts.
        config: The run's settings.
        total_steps: Steps of the optimiser in the whole run, for the learning rate.
        accounts: What was loaded from files of weights, see `reference_model.engine.starting`.
    """

    def __init__(
        self, stage: Stage, targets: Targets, config: RunConfig, *, total_steps: int, accounts: Account | None = None
    ) -> None:
        super().__init__()
        self.model = build_net(stage, targets, config)
        self.accounts: Account = accounts or {}
        self._frozen = freeze(self.model, config.net.frozen)
        self.criterion = stage.loss(targets, config)
        self.config = config
        self.total_steps = total_steps
        self.figures = {part: EpochFigures(stage.metrics(targets)) for part in ("train", "valid")}
        self._valid_metrics: dict[str, float] = {}

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; frozen nets stay in evaluation mode, so that their statistics stay."""
        super().train(mode)
        for net in self._frozen:
            net.eval()
        return self

    def forward(self, images: Tensor) -> Outputs:
        """Pixels (batch, 3, size, size) to what the stage's head returns."""
        return self.model(images)

    def _outputs(self, batch: Batch) -> Outputs:
        """Return what the net says of a batch, of pictures or of stored features of them."""
        return choose_forward(self.model, features=self.config.features.cache)(batch.images)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch, so weighted that its mean over the processes is the mean over all pictures."""
        outputs = self._outputs(batch)
        terms = self.criterion.terms(outputs, batch.targets)  # type: ignore[operator]
        weight = self._loader().weight
        self.figures["train"].add(terms, outputs, batch.targets, weight=weight)
        self._tell("observe", terms, outputs, self.global_step)
        self.log("loss", terms.total.detach(), prog_bar=True, logger=False)
        return terms.total if weight == 1 else terms.total * weight

    def _tell(self, method: str, *arguments: Any) -> Any:
        """Call a method that a loss may have."""
        function = getattr(self.criterion, method, None)
        return None if function is None else function(*arguments)

    def on_fit_start(self) -> None:
        """Move the metrics, which are no part of the module, to its device."""
        for figures in self.figures.values():
            figures.to(self.device)

    def on_train_start(self) -> None:
        """Put frozen nets into evaluation mode, and start the clock, also in the middle of an epoch."""
        self.train()  # Lightning does not, and warns of a module that was in evaluation mode before
        self._start_clock()

    def _loader(self) -> TrainLoader:
        loader = self.trainer.train_dataloader
        assert isinstance(loader, TrainLoader)  # what fit was called with
        return loader

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Decide whether this epoch is validated; a run that is resumed inside of an epoch does not start one."""
        epochs, every = self.config.train.epochs, self.config.train.validate_every
        done = self.current_epoch + 1
        # Lightning validates where the number of epochs divides by this one, and has no word for the last epoch.
        self.trainer.check_val_every_n_epoch = 1 if done % every == 0 or done == epochs else epochs + 1

    def _start_clock(self) -> None:
        loader = self._loader()
        self._clock = (time.monotonic(), loader.batches_done, loader.seconds_waited)

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Make a step of the optimiser, then let the loss act."""
        super().optimizer_step(*arguments, **options)
        average_statistics(self.model)
        self._tell("after_step")

    def on_train_epoch_end(self) -> None:
        """Log the epoch's figures, and print a line."""
        parts, metrics = self.figures["train"].close()
        extra = self._tell("epoch_figures") or {}
        values = {f"train/{name}": value for name, value in {**parts, **metrics, **extra}.items()}
        values["train/lr"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        self._write(values)
        both = {name: (value, self._valid_metrics.get(name)) for name, value in metrics.items()}
        epoch, epochs = self.current_epoch + 1, self.config.train.epochs
        self.print(epoch_line(parts, both, extra, epoch=epoch, epochs=epochs, course=self._course(epochs - epoch)))
        sys.stdout.flush()
        self._valid_metrics = {}
        self._start_clock()

    def _course(self, epochs_left: int) -> str:
        loader = self._loader()
        started, batches, waited = self._clock
        seconds, done = time.monotonic() - started, loader.batches_done - batches
        return course_of_epoch(
            seconds=seconds,
            pictures=done * loader.batch_size,
            waited=loader.seconds_waited - waited,
            epochs_left=epochs_left * len(loader) / max(done, 1),
        )

    def on_validation_epoch_start(self) -> None:
        """Start the figures of the validation."""
        self.figures["valid"].reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count; what the loss remembers does not move, since the module is in evaluation mode."""
        outputs = self._outputs(batch)
        terms = self.criterion.terms(outputs, batch.targets)  # type: ignore[operator]
        self.figures["valid"].add(terms, outputs, batch.targets, weight=len(batch.images))

    def on_validation_epoch_end(self) -> None:
        """Log the validation's figures."""
        parts, self._valid_metrics = self.figures["valid"].close()
        self.log("valid/loss", parts["loss"], prog_bar=True, logger=False, sync_dist=True)
        self._write({f"valid/{name}": value for name, value in {**parts, **self._valid_metrics}.items()})

    def _write(self, values: dict[str, float]) -> None:
        # Write to the loggers at once, before the checkpoint of this step: a run that is killed at any time has then
        # every row up to its checkpoint.
        for logger in self.loggers if self.trainer.is_global_zero else []:
            logger.log_metrics({"epoch": float(self.current_epoch), **values}, step=self.global_step)
            logger.save()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the epoch's sums so far; tensors and plain numbers only."""
        checkpoint[PROGRESS_KEY] = self.figures["train"].state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` added."""
        self.figures["train"].load_state_dict(checkpoint[PROGRESS_KEY])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimiser and a learning rate that changes every step."""
        pretrained = pretrained_parameters(self.model, self.accounts)
        optimizer = make_optimizer(self.model, self.config.optim, pretrained)
        scheduler = make_scheduler(optimizer, self.config.optim, total_steps=self.total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
