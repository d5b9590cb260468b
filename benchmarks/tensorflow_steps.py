"""One training step in TensorFlow, for each loss that is compared: in eager mode, in a graph, or compiled by XLA."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import obrl
from benchmarks.registry import Batch
from benchmarks.tensorflow_peers import PlainLoss
from obrl.tensorflow import OBRLoss

Loss = Callable[[Any, Any], Any]


class TensorFlowStep:
    """A loss of Keras and its gradient with respect to the logits, in one tf.function or in eager mode.

    Args:
        make: gives a fresh loss that takes (targets, logits).
        compiled: whether XLA compiles it (`jit_compile`).
        threads: of each pool of TensorFlow.
        eager: whether there is no tf.function.
    """

    def __init__(self, make: Callable[[], Any], *, compiled: bool, threads: int, eager: bool = False) -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._make = make
        self._jit_compile = compiled
        self._eager = eager
        self._loss: Any = None
        self._step: Any = None
        self._batches: list[tuple[Any, Any]] = []
        self._last: Any = None

    def load(self, batches: Sequence[Batch]) -> None:
        """Take these batches and start from an empty relation."""
        self._loss = self._make()
        step = self._value_and_gradient
        self._step = step if self._eager else tf.function(step, jit_compile=self._jit_compile)
        self._batches = [(tf.constant(batch.targets), tf.constant(batch.logits)) for batch in batches]

    def _value_and_gradient(self, targets: Any, logits: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = self._loss(targets, logits)
        return value, tape.gradient(value, logits)

    def step(self, index: int) -> None:
        """Run one step on batch `index`, and wait for all of it."""
        value, gradient = self._step(*self._batches[index])
        value.numpy(), gradient[0, 0].numpy()
        self._last = gradient

    def release(self) -> None:
        """Drop the gradient."""
        self._last = None

    def relation(self) -> NDArray[np.float64] | None:
        """The relation of the loss, None for cross-entropy alone."""
        relation = getattr(self._loss, "relation", None)
        return None if relation is None else np.asarray(relation, np.float64)

    def versions(self) -> dict[str, str]:
        """Versions of Python, NumPy, TensorFlow, Keras and obrl."""
        return {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "obrl": obrl.__version__,
        }


def bce(num_labels: int, *, compiled: bool, threads: int, eager: bool = False) -> TensorFlowStep:
    """Keras's binary cross-entropy alone; `num_labels` is not needed."""
    return TensorFlowStep(
        lambda: keras.losses.BinaryCrossentropy(from_logits=True), compiled=compiled, threads=threads, eager=eager
    )


def obrl_loss(num_labels: int, *, compiled: bool, threads: int, eager: bool = False) -> TensorFlowStep:
    """`obrl.tensorflow.OBRLoss` with its defaults."""
    return TensorFlowStep(lambda: OBRLoss(num_labels), compiled=compiled, threads=threads, eager=eager)


def obrl_fused(num_labels: int, *, compiled: bool, threads: int, eager: bool = False) -> TensorFlowStep:
    """`obrl.tensorflow.OBRLoss(impl="fused")`, which XLA does not compile."""
    return TensorFlowStep(lambda: OBRLoss(num_labels, impl="fused"), compiled=compiled, threads=threads, eager=eager)


def plain(num_labels: int, *, compiled: bool, threads: int) -> TensorFlowStep:
    """The paper's formula written plainly."""
    return TensorFlowStep(lambda: PlainLoss(num_labels), compiled=compiled, threads=threads)


bce_eager = partial(bce, eager=True)
obrl_loss_eager = partial(obrl_loss, eager=True)
obrl_fused_eager = partial(obrl_fused, eager=True)
