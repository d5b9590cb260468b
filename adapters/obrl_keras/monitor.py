"""A callback of Keras that logs what the relation does, on every backend."""

from __future__ import annotations

import os
import sys
from typing import Any

import keras
from keras import backend, ops, tree

from obrl.holders import LossWithRelation
from obrl.monitor import Arrays, Monitor, file_of
from obrl.report.checks import check_size
from obrl_keras import compat
from obrl_keras.inputs import on_host
from obrl_keras.stateful import StatefulLayer


class OBRMonitor(keras.callbacks.Callback):
    """Logs every few steps what each `OBRLossLayer`, or loss of `obrl.tensorflow`, of a model does.

    By the name of the layer or loss it logs `pairs_together`, `pairs_apart`, and `relation`, the heat map that
    `obrl.monitor.heat_map` draws; with `batch` also `share_of_loss` and `share_of_gradient` (see
    `obrl.monitor.Measurement`). Keras shows its batches to no callback, so the shares are those of a batch that you
    give, of the training data for instance: at a logged step the model predicts it in inference mode.

    A logged step copies the relation to the host and computes there: training gives the same numbers, bit for bit, with
    and without the callback, and nothing is computed or copied on other steps. Steps are those of the optimizer
    (`optimizer.iterations`), so that accumulated batches count once, and a training that goes on from a saved model
    goes on with its numbers. Validation logs nothing. Of several processes the first alone logs.

    Args:
        sinks: where to write; one or a sequence of: a folder for TensorBoard, which needs nothing installed; a path
            that ends in .csv; a SummaryWriter; a run of Weights & Biases.
        every: log each step that is a multiple of it.
        batch: a tuple as `tf.data` would give it to `fit`: `(inputs,)` for a model that ends with the layer, where the
            targets are an input; `(inputs, targets)` or `(inputs, targets, sample_weight)` for a model that was
            compiled with a loss of `obrl.tensorflow`. None: the shares are not measured.
        history: a file for the relation over time, an .npz that `obrl history` reads, written at each logged step, or
            with more than some hundred labels at the end of each epoch. Where it exists, it is continued. Of several
            criteria the first has this name, and each other one a file with its name in the name.
        report: a file for the report on the relation, an .html, written at the end of the training; likewise.

    Raises:
        TypeError: a sink or batch of another kind, or `every` that is no whole number.
        ValueError: `every` below 1, a history that is none of a training; or, when `fit` starts, a model without a
            layer or loss of obrl, a history of another measure or of other labels, or more labels than a report shows.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import keras
        >>> import numpy as np
        >>> from obrl.keras import OBRLossLayer
        >>> inputs, targets = keras.Input((2,)), keras.Input((3,))
        >>> logits = keras.layers.Dense(3)(inputs)
        >>> model = keras.Model([inputs, targets], OBRLossLayer(3)(logits, targets))
        >>> model.compile("sgd")
        >>> x, y = np.ones((8, 2)), np.tile([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], (4, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     monitor = OBRMonitor(Path(folder) / "relation.csv", every=1)
        ...     _ = model.fit([x, y], batch_size=4, callbacks=[monitor], verbose=0)
        ...     print(len((Path(folder) / "relation.csv").read_text().splitlines()))  # a heading and two steps
        3
    """

    __module__ = "obrl.keras"

    def __init__(
        self,
        sinks: Any,
        *,
        every: int = 100,
        batch: tuple[Any, ...] | None = None,
        history: str | os.PathLike[str] | None = None,
        report: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        if batch is not None and not (isinstance(batch, tuple) and 1 <= len(batch) <= 3):
            raise TypeError(
                "batch must be a tuple as tf.data gives it, such as ([features, targets],), "
                f"got {f'one of {len(batch)} parts' if isinstance(batch, tuple) else type(batch).__name__}"
            )
        self.batch = batch
        self.report = report
        self._monitor = Monitor(sinks, every=every, history=history)
        self._criteria: dict[str, LossWithRelation] = {}
        self._is_first = True
        self._batches = self._logged = 0  # batches before the epoch; multiples of `every` that have passed
        self._accumulated = 1

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the layers and losses, and go on from the step that the training starts with."""
        model = self.model
        self._criteria = find_criteria(model)
        if not self._criteria:
            raise ValueError(
                f"the model {model.name} must have an OBRLossLayer, or a loss of obrl.tensorflow, got neither"
            )
        if self.report is not None:
            for criterion in self._criteria.values():
                check_size(criterion.num_labels)
        self._is_first = is_first_process()
        if self._is_first:
            self._monitor.expect(self._criteria)
        self._count_batches()
        self._logged = self._batches // self._accumulated // self._monitor.every

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the batches so far, since those of the epoch are counted from them."""
        self._count_batches()

    def _count_batches(self) -> None:
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
        self._accumulated = optimizer.gradient_accumulation_steps or 1
        self._batches = int(on_host(ops.convert_to_tensor(compat.applied_batches(optimizer))))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Log the step, if it is one to log."""
        step = (self._batches + batch + 1) // self._accumulated
        passed = step // self._monitor.every
        if not self._is_first or passed <= self._logged:
            return
        self._logged = passed
        batches = self._predict(self.model)  # `self.model` copies JAX's state into the model, so only now
        for name, criterion in self._criteria.items():
            self._monitor.record(step, criterion, batch=batches.get(name), name=name)

    def _predict(self, model: Any) -> dict[str, Arrays]:
        """What each layer and loss gets where the model predicts the batch; empty without one."""
        if self.batch is None:
            return {}
        seen: dict[str, Arrays] = {}
        layers = {name: layer for name, layer in self._criteria.items() if isinstance(layer, StatefulLayer)}
        for name, layer in layers.items():
            layer._see = lambda *arrays, name=name: seen.update({name: Arrays(*arrays)})
        try:
            outputs = model(self.batch[0], training=False)
        finally:
            for layer in layers.values():
                layer._see = None
        others = self._criteria.keys() - layers.keys()
        if len(self.batch) > 1 and len(others) == len(tree.flatten(outputs)) == 1:
            targets, *weights = self.batch[1:]
            seen[others.pop()] = Arrays(tree.flatten(outputs)[0], targets, None, *weights)
        return seen

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the history."""
        if self._is_first:
            self._monitor.save()

    def on_train_end(self, logs: Any = None) -> None:
        """Write the history and the report."""
        if not self._is_first:
            return
        self._monitor.close()
        if self.report is not None:
            for name, criterion in self._criteria.items():
                criterion.report(file_of(self.report, name, first=next(iter(self._criteria))))


def find_criteria(model: Any) -> dict[str, LossWithRelation]:
    """The layers and compiled losses of obrl in a model, by their names."""
    layers = [layer for layer in compat.nested_layers(model) if isinstance(layer, StatefulLayer)]
    losses = [loss for loss in tree.flatten(getattr(model, "loss", None)) if isinstance(loss, LossWithRelation)]
    named: list[Any] = [*layers, *losses]
    criteria: dict[str, LossWithRelation] = {}
    for criterion in named:
        names = [criterion.name, *(f"{criterion.name}_{number}" for number in range(1, len(criteria) + 1))]
        criteria[next(name for name in names if name not in criteria)] = criterion
    return criteria


def is_first_process() -> bool:
    """Whether this is the only process that trains, or the first of them."""
    module = sys.modules[{"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}[backend.backend()]]
    if backend.backend() == "jax":
        return bool(module.process_index() == 0)
    if backend.backend() == "torch":
        distributed = module.distributed
        return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0
    resolver = module.distribute.get_strategy().cluster_resolver
    return resolver is None or (resolver.task_type in (None, "chief", "worker") and not resolver.task_id)
