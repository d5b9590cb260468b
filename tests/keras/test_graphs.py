"""What a graph of TensorFlow does not know, and what it must not do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import obrl
from obrl.keras import OBRLossLayer
from tests.keras.data import data, host
from tests.support.tolerances import assert_close, band
from tests.tensorflow.data import LABELS


def graph(layer: OBRLossLayer, shape: Any) -> Any:
    logits = tf.TensorSpec((None, LABELS))
    rest = tf.TensorSpec(shape), tf.TensorSpec(shape and (None,))

    @tf.function(input_signature=(logits, *rest))
    def step(x: Any, y: Any, weight: Any) -> Any:
        layer(x, y, sample_weight=weight, training=True)
        return layer.losses[0]

    return step


@pytest.mark.parametrize("shape", [(None, LABELS), (None, None), None], ids=str)
def test_shapes_that_a_graph_does_not_know(shape: Any) -> None:
    layer, numpy = OBRLossLayer(LABELS), obrl.OBRLoss(LABELS)
    step = graph(layer, shape)
    for size in (8, 3, 0):
        y = data(size, seed=size)[1]
        x, weight = np.random.default_rng(size).standard_normal(y.shape), np.linspace(0, 1, size)
        loss = step(tf.constant(x, tf.float32), tf.constant(y), tf.constant(weight, tf.float32))
        assert_close("loss", loss.numpy(), numpy(x, y, sample_weight=weight), band(40, 10.0, "float32"))
    before = host(layer.relation_weight)
    y = tf.constant(data(4)[1])
    for targets, size in ((y[:1], 4), (y, 1), (y, 5), (tf.concat([y, y], 0), 4)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have as many rows"):
            step(tf.zeros((4, LABELS)), targets, tf.zeros(size))
        assert (host(layer.relation_weight) == before).all()
