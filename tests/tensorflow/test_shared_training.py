"""The training run that every framework repeats, in a graph that XLA compiles."""

from typing import Any

import tensorflow as tf

from obrl.tensorflow import OBRLoss
from tests.support.shared_training import ALPHA, LABELS, RATE, assert_same_run, data


def test_the_run_is_that_of_numpy() -> None:
    features, targets, start = data()
    criterion, weights = OBRLoss(LABELS, alpha=ALPHA), tf.Variable(start)

    @tf.function(jit_compile=True)
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = criterion(y, x @ weights)
        weights.assign_sub(RATE * tape.gradient(loss, weights))
        return loss

    losses = [step(tf.constant(x), tf.constant(y)).numpy() for x, y in zip(features, targets, strict=True)]
    assert_same_run(losses, criterion.relation)
