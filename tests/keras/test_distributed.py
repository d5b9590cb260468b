"""MirroredStrategy on two virtual devices, with TensorFlow: one relation, and the losses of each replica its own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import obrl
from obrl.keras import OBRLossLayer, OBRMonitor
from tests.keras.data import FEATURES, SIZE, STEPS, data, host
from tests.keras.test_monitor import Memory
from tests.support.tolerances import assert_close, band
from tests.tensorflow.data import LABELS
from tests.tensorflow.test_distributed import strategy


def model(*, layers: int = 1) -> keras.Model:
    """Layers one behind the other, and a regularizer of activations whose loss comes before theirs."""
    keras.utils.set_random_seed(0)
    features, targets = keras.Input((FEATURES,)), keras.Input((LABELS,))
    logits = keras.layers.Dense(LABELS, activity_regularizer=keras.regularizers.L2(0.1))(features)
    for index in range(layers):
        logits = OBRLossLayer(LABELS, alpha=5.0, name=f"obrl_{index}")(logits, targets)
    return keras.Model([features, targets], logits)


@pytest.mark.parametrize("layers", [1, 2])
def test_two_replicas_train_as_one_device_does(layers: int) -> None:
    x, y = data(SIZE * STEPS)
    alone = model(layers=layers)
    with strategy().scope():
        shared = model(layers=layers)
    losses = []
    for each in (alone, shared):
        with strategy().scope() if each is shared else tf.init_scope():
            each.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        history = each.fit([x, y], batch_size=SIZE, epochs=2, shuffle=False, verbose=0, validation_data=([x, y], None))
        losses.append((history.history["loss"], history.history["val_loss"]))
    assert_close("losses", np.array(losses[1]), np.array(losses[0]), band(400, 20.0, "float32"))
    for name, ours, theirs in zip(("kernel", "bias"), shared.get_weights(), alone.get_weights(), strict=False):
        assert_close(name, ours, theirs, band(4000, 1.0, "float32"))
    oracle = obrl.OnlineBatchRelation(LABELS)
    for start in (*range(0, len(y), SIZE), *range(0, len(y), SIZE)):
        oracle.update(y[start : start + SIZE])
    for index in range(layers):
        layer = shared.get_layer(f"obrl_{index}")
        assert_close("relation", host(layer.relation), oracle.relation, band(SIZE, 1.0, "float32"))
        assert_close("weight", host(layer.relation_weight), oracle.relation_weight, band(40, 20.0, "float32"))


def test_a_monitor_changes_nothing_of_two_replicas() -> None:
    x, y = data(SIZE * STEPS)
    states, memory = [], Memory()
    for callbacks in ([], [OBRMonitor(memory, every=4, batch=([x[:8], y[:8]],))]):
        with strategy().scope():
            shared = model()
            shared.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        shared.fit([x, y], batch_size=SIZE, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        states.append([host(variable) for variable in shared.weights])
    for first, second in zip(*states, strict=True):
        np.testing.assert_array_equal(first, second)
    assert list(memory.rows) == [(4, "obrl_0"), (8, "obrl_0"), (12, "obrl_0")]
    assert all(0 < row.share_of_gradient < 1 for row in memory.rows.values())


def test_made_outside_the_scope() -> None:
    layer = OBRLossLayer(LABELS)
    y = tf.constant(data(SIZE)[1])
    with pytest.raises(ValueError, match=r"within strategy.scope\(\)"):
        strategy().run(lambda: layer(tf.zeros_like(y), y, training=True))
    assert not host(layer.relation_weight).any()
