"""The algebra's functions in TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from obrl.namespace import Namespace

Tensor = Any
"""A tf.Tensor."""


def _reduced_precision() -> bool:
    """Whether a GPU may round the factors of a float32 product to TF32."""
    tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    return bool(tf32 and tf.config.list_physical_devices("GPU"))


class _TensorFlow:
    transpose = staticmethod(tf.transpose)
    sqrt = staticmethod(tf.sqrt)
    sigmoid = staticmethod(tf.sigmoid)
    log_sigmoid = staticmethod(tf.math.log_sigmoid)
    stop_gradient = staticmethod(tf.stop_gradient)

    def matmul(self, a: Tensor, b: Tensor, /) -> Tensor:
        if a.dtype == tf.float32 and _reduced_precision():
            return tf.cast(tf.matmul(tf.cast(a, tf.float64), tf.cast(b, tf.float64)), tf.float32)
        return tf.matmul(a, b)

    def where(self, condition: Tensor, a: Tensor | float, b: Tensor | float, /) -> Tensor:
        dtype = a.dtype if tf.is_tensor(a) else b.dtype  # type: ignore[union-attr]
        return tf.where(condition, tf.convert_to_tensor(a, dtype), tf.convert_to_tensor(b, dtype))

    def sum(self, a: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return tf.reduce_sum(a, axis=axis, keepdims=keepdims)

    def cast(self, a: Tensor, /, *, like: Tensor) -> Tensor:
        return tf.cast(a, like.dtype)

    def eye(self, *, like: Tensor) -> Tensor:
        return tf.eye(like.shape[0], dtype=tf.bool)

    def small_integers(self, a: Tensor, /) -> Tensor:
        # In float32: not every device computes with int8.
        return tf.cast(a, tf.float32) if a.dtype == tf.bool else a

    def set_diagonal(self, a: Tensor, row: Tensor, /) -> Tensor:
        return tf.linalg.set_diag(a, row[0])

    def stack(self, arrays: Sequence[Tensor | float], /, *, like: Tensor) -> Tensor:
        return tf.stack([tf.broadcast_to(tf.cast(a, like.dtype), like.shape) for a in arrays])

    def unstack(self, a: Tensor, /) -> Sequence[Tensor]:
        return tuple(tf.unstack(a))


TENSORFLOW: Namespace = _TensorFlow()
