"""A callback of PyTorch Lightning that logs what the relation does."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch import nn

from obrl.errors import check_whole_number
from obrl.monitor import Measurement, Monitor, file_of
from obrl.pictures import Pixels
from obrl.report.checks import check_size
from obrl_torch.watching import Watched, Watcher, find_criteria


class LoggerSink:
    """A logger of Lightning; one that shows no pictures gets the numbers alone."""

    def __init__(self, logger: Logger) -> None:
        self._logger: Any = logger

    def write(self, step: int, name: str, measurement: Measurement, picture: Pixels) -> None:
        """Log the numbers and the picture."""
        self._logger.log_metrics(measurement.numbers(name), step=step)
        experiment: Any = getattr(self._logger, "experiment", None)
        if hasattr(self._logger, "log_image"):  # Weights & Biases
            self._logger.log_image(key=f"{name}/relation", images=[picture], step=step)
        elif hasattr(experiment, "add_image"):  # TensorBoard
            experiment.add_image(f"{name}/relation", picture, step, dataformats="HWC")
        self._logger.save()

    def close(self) -> None:
        """Do nothing: the trainer closes its loggers."""


class OBRMonitor(Callback):
    """Logs every few steps what each criterion of obrl in a module does, to the trainer's loggers.

    By the name of the criterion, which is its path in the module, it logs `pairs_together`, `pairs_apart`,
    `share_of_loss`, `share_of_gradient` (see `obrl.monitor.Measurement`; the shares are those of an `OBRLoss`) and,
    where a logger takes pictures, `relation`, the heat map that `obrl.monitor.heat_map` draws. The shares are those of
    the last batch of the step, in the first process; only that process logs.

    A logged step copies the relation, logits and targets to the host and computes there: training gives the same
    numbers, bit for bit, with and without the callback, and nothing is computed or copied on other steps. Steps are
    those of the optimizer (`trainer.global_step`), so that accumulated batches count once, and a resumed training goes
    on with its numbers. Validation logs nothing.

    Args:
        criterion: the one to watch; by default every `OBRLoss` and `RelationLoss` among the module's submodules.
            Compiled ones are watched too; inside of a larger compiled graph their batches cannot be seen, and the
            shares are left out.
        every: log each step of the optimizer that is a multiple of it.
        history: a file for the relation over time, an .npz that `obrl history` reads, written at each logged step, or
            with more than some hundred labels at the end of each epoch. Where it exists, it is continued. Of several
            criteria the first has this name, and each other one a file with its path in the name.
        report: a file for the report on the relation, an .html, written at the end of the training; likewise.

    Raises:
        TypeError: `criterion` is no criterion of obrl.torch, or `every` no whole number.
        ValueError: `every` below 1; or, when `fit` starts, a module without a criterion, a history that is none of a
            training, or one of another measure or of other labels, or more labels than a report shows.

    Example:
        >>> import lightning
        >>> import torch
        >>> from obrl.torch import OBRLoss
        >>> class Attributes(lightning.LightningModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.model, self.criterion = torch.nn.Linear(2, 3), OBRLoss(3)
        >>> monitor = OBRMonitor(every=50)  # logs `criterion/pairs_together` and so on
        >>> trainer = lightning.Trainer(callbacks=[monitor], accelerator="cpu", enable_checkpointing=False)
    """

    __module__ = "obrl.torch.lightning"

    def __init__(
        self,
        criterion: nn.Module | None = None,
        *,
        every: int = 100,
        history: str | os.PathLike[str] | None = None,
        report: str | os.PathLike[str] | None = None,
    ) -> None:
        if criterion is not None and not (isinstance(criterion, nn.Module) and find_criteria(criterion)):
            raise TypeError(
                f"criterion must be an OBRLoss or RelationLoss of obrl.torch, got {type(criterion).__name__}"
            )
        self.criterion = criterion
        self.every = check_whole_number("every", every, least=1)
        self.history = history
        self.report = report
        self._watchers: list[Watcher] = []
        self._monitor: Monitor | None = None
        self._logged = 0  # multiples of `every` that have passed
        self._before = self._pace = 0  # the step before the batch, and how many steps a batch makes

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the criteria."""
        watched = self._find(pl_module)
        if self.report is not None:
            for _, criterion, _ in watched:
                check_size(criterion.num_labels)
        if trainer.is_global_zero:
            self._watchers = [Watcher(each) for each in watched]
            sinks = [LoggerSink(logger) for logger in trainer.loggers]
            self._monitor = Monitor(sinks, every=self.every, history=self.history)
            self._monitor.expect({name: criterion for name, criterion, _ in watched})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from the step that the training starts with, above 0 where it is resumed."""
        self._logged = trainer.global_step // self.every

    def _find(self, module: LightningModule) -> list[Watched]:
        watched = find_criteria(module)
        if self.criterion is not None:
            wanted = find_criteria(self.criterion)
            inside = {id(each.criterion): each for each in watched}
            return [inside.get(id(each.criterion), each) for each in wanted]
        if not watched:
            raise ValueError(
                f"{type(module).__name__} must have an OBRLoss or RelationLoss among its submodules, got none: make it "
                "an attribute of the module, or pass it to OBRMonitor(criterion)"
            )
        return watched

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Look at the batch if its step may be one to log."""
        self._before = trainer.global_step
        if (self._before + max(self._pace, 1)) // self.every > self._logged:
            for watcher in self._watchers:
                watcher.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the step, if it was one to log and the optimizer has made it."""
        for watcher in self._watchers:
            watcher.stop()
        self._pace = trainer.global_step - self._before  # above 1 where the module makes several steps by itself
        if self._monitor is None or trainer.global_step // self.every <= self._logged:
            return
        self._logged = trainer.global_step // self.every
        for watcher in self._watchers:
            name, criterion, _ = watcher.watched
            self._monitor.record(trainer.global_step, criterion, batch=watcher.batch, name=name)
            watcher.batch = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the history."""
        if self._monitor is not None:
            self._monitor.save()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the history and the report."""
        watched = [watcher.watched for watcher in self._watchers]
        self._close()
        if self.report is not None:
            for name, criterion, _ in watched:
                criterion.report(file_of(self.report, name, first=watched[0].name))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the history of a training that was interrupted."""
        self._close()

    def _close(self) -> None:
        for watcher in self._watchers:
            watcher.stop()
        self._watchers = []
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
