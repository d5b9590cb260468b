"""The training run that every framework repeats, through `train_on_batch`."""

import keras
import numpy as np

from obrl.keras import OBRLossLayer
from tests.keras.data import host
from tests.support.shared_training import ALPHA, FEATURES, LABELS, RATE, assert_same_run, data


def test_the_run_is_that_of_numpy() -> None:
    features, targets, start = data()
    x, y = keras.Input((FEATURES,)), keras.Input((LABELS,))
    dense, layer = keras.layers.Dense(LABELS, use_bias=False), OBRLossLayer(LABELS, alpha=ALPHA)
    model = keras.Model([x, y], layer(dense(x), y))
    dense.set_weights([start])
    model.compile(keras.optimizers.SGD(RATE))
    losses = []
    for batch in zip(features, targets, strict=True):
        losses.append(float(np.asarray(model.train_on_batch(list(batch)))))
        model.reset_metrics()
    assert_same_run(losses, host(layer.relation))
