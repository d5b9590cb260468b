"""A callback of Keras that holds the relation of a loss still during validation."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from obrl_tensorflow.criterion import Criterion


class OBRLossCallback(keras.callbacks.Callback):
    """Stops the updates of the relation during validation.

    Keras calls a compiled loss in validation too, and does not tell it so; without this callback the relation would
    learn from the validation targets. Pass it to `fit` and `evaluate`.

    Args:
        *criteria: the losses to hold; by default those that the model was compiled with.

    Raises:
        TypeError: an argument that is no loss of obrl.tensorflow.
        ValueError: the model has no such loss, when `fit` or `evaluate` starts.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from obrl.tensorflow import OBRLoss
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> model.compile("sgd", loss=OBRLoss(3))
        >>> x, y = np.ones((8, 2), "float32"), np.tile([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], (4, 1))
        >>> _ = model.fit(x, y, validation_data=(x, 1 - y), callbacks=[OBRLossCallback()], verbose=0)
        >>> float(model.loss.relation_weight[0, 1])  # one update, in training
        1.0
    """

    __module__ = "obrl.tensorflow"

    def __init__(self, *criteria: Criterion) -> None:
        super().__init__()
        for criterion in criteria:
            if not isinstance(criterion, Criterion):
                raise TypeError(f"criteria must be losses of obrl.tensorflow, got {type(criterion).__name__}")
        self._criteria = criteria

    def _watched_criteria(self) -> tuple[Criterion, ...]:
        if self._criteria:
            return self._criteria
        compiled = tf.nest.flatten(getattr(self.model, "loss", None))
        criteria = tuple(loss for loss in compiled if isinstance(loss, Criterion))
        if not criteria:
            raise ValueError(f"the model must be compiled with a loss of obrl.tensorflow, got {self.model.loss!r}")
        return criteria

    def _set(self, validating: bool) -> None:
        for criterion in self._watched_criteria():
            criterion.set_validating(validating)

    def on_train_begin(self, logs: Any = None) -> None:
        """Let the relation move."""
        self._set(False)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Let the relation move, also after a validation that an error ended."""
        self._set(False)

    def on_test_begin(self, logs: Any = None) -> None:
        """Hold the relation still."""
        self._set(True)

    def on_test_end(self, logs: Any = None) -> None:
        """Let the relation move again."""
        self._set(False)
