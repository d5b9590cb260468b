"""Data with active pairs, a model with the layer at its end, and what the oracle makes of it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray

import obrl
from obrl.keras import OBRLossLayer
from obrl_keras.inputs import on_host
from tests.tensorflow.data import LABELS, labels

BACKEND = keras.backend.backend()
FEATURES, SIZE, STEPS, EPOCHS = 8, 16, 6, 3
KERAS_OWN = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
"""Ignores a warning of NumPy about how Keras converts tensors to arrays."""


def data(rows: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features and targets."""
    random = np.random.default_rng(seed)
    targets = labels(random, rows)
    mixing = np.random.default_rng(1).standard_normal((LABELS, FEATURES))
    return (targets @ mixing + 0.1 * random.standard_normal((rows, FEATURES))).astype(np.float32), targets


def endpoint_model(*, dtype: Any = None, **settings: Any) -> tuple[keras.Model, OBRLossLayer]:
    """A model of features and targets that gives the logits, and the layer at its end."""
    keras.utils.set_random_seed(0)
    features, targets = keras.Input((FEATURES,), name="features"), keras.Input((LABELS,), name="targets")
    layer = OBRLossLayer(LABELS, name="obrl", **settings)
    logits = layer(keras.layers.Dense(LABELS, dtype=dtype)(features), targets)
    return keras.Model([features, targets], logits), layer


def host(tensor: Any) -> NDArray[Any]:
    """A tensor or variable as NumPy, copied."""
    return on_host(ops.convert_to_tensor(tensor)).copy()


def seen_by_the_oracle(targets: NDArray[Any], *, epochs: int = EPOCHS) -> obrl.OnlineBatchRelation:
    """The relation after so many epochs of batches in order."""
    relation = obrl.OnlineBatchRelation(LABELS)
    for _ in range(epochs):
        for start in range(0, len(targets), SIZE):
            relation.update(targets[start : start + SIZE])
    return relation
