"""keras.ops where it does not say enough: derivatives and precision, on every backend."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from obrl_keras.namespace import KERAS
from tests.support.tolerances import assert_close, rounding_band

POINTS = np.concatenate([np.linspace(-9.0, 9.0, 401), [-100.0, 100.0]]).astype(np.float32)


def derivative(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """d log_sigmoid / dx, as the backend differentiates it."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: KERAS.sum(KERAS.log_sigmoid(x)))(points))
    if backend == "torch":
        import torch

        x = torch.from_numpy(points.copy()).requires_grad_()
        KERAS.sum(KERAS.log_sigmoid(x)).backward()
        assert x.grad is not None
        return x.grad.numpy()
    import tensorflow as tf

    x = tf.Variable(points)
    with tf.GradientTape() as tape:
        y = KERAS.sum(KERAS.log_sigmoid(x))
    return tape.gradient(y, x).numpy()


def test_the_derivative_of_log_sigmoid_is_one_rounding_from_exact() -> None:
    exact = 1.0 / (1.0 + np.exp(POINTS.astype(np.float64)))
    assert_close("derivative", derivative(POINTS), exact, rounding_band(1, 1.0, "float32"))
