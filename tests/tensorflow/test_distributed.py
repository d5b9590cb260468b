"""MirroredStrategy on two virtual devices: one relation of the whole batch, moved once."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import obrl
from obrl.tensorflow import OBRLoss, OBRLossCallback, OnlineBatchRelation
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import LABELS, batch, labels

PARTS = ((0, 7), (7, 10))  # rows of the two replicas


@cache
def strategy() -> Any:
    """One for all tests: TensorFlow takes the sums of a second one on the same devices for those of the first."""
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(2)])


def by_replica(strategy: Any, array: Any) -> Any:
    parts = [tf.constant(array[start:stop]) for start, stop in PARTS]
    return strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group]
    )


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(("in_graph", "estimator"), [(False, "batch"), (True, "batch"), (True, "counts")])
@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_uneven_replicas_hold_the_relation_of_the_whole_batch(
    impl: str, in_graph: bool, estimator: str, missing: bool
) -> None:
    mirrored = strategy()
    whole = OBRLoss(LABELS, estimator=estimator)
    with mirrored.scope():
        shared = OBRLoss(LABELS, estimator=estimator, impl=impl)
        online = OnlineBatchRelation(LABELS, estimator=estimator)

    def step(y: Any, x: Any) -> Any:
        online.update(y)
        return shared(y, x)

    def run(y: Any, x: Any) -> Any:
        return mirrored.run(step, args=(y, x))

    runner = tf.function(run) if in_graph else run
    for seed in range(3):
        y, x = batch(10, seed=seed)
        if missing:
            y[np.random.default_rng(seed).random(y.shape) < 0.3] = np.nan
        losses = mirrored.experimental_local_results(runner(by_replica(mirrored, y), by_replica(mirrored, x)))
        whole(y, x)
        for (start, stop), loss in zip(PARTS, losses, strict=True):
            numpy = obrl.OBRLoss(LABELS, estimator=estimator, relation=whole.to_numpy(), freeze=True)
            part = numpy(x[start:stop], y[start:stop])
            assert_close("loss", loss.numpy(), part / 2, band(40, 10.0, "float32"))  # so that the sum is the mean
    for name in ("relation_sum", "relation_weight"):
        expected = getattr(whole, name).numpy()
        for holder in (shared, online):
            for copy in mirrored.experimental_local_results(getattr(holder, name)):
                assert_exact(name, copy.numpy(), expected)


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_outside_of_a_run_every_copy_moves(impl: str) -> None:
    mirrored, expected = strategy(), OBRLoss(LABELS)
    with mirrored.scope():
        shared = OBRLoss(LABELS, impl=impl)
    for seed in range(2):
        y, x = batch(10, seed=seed)
        assert_close("loss", shared(y, x).numpy(), expected(y, x).numpy(), band(40, 10.0, "float32"))
    for copy in mirrored.experimental_local_results(shared.relation_sum):
        assert_exact("relation_sum", copy.numpy(), expected.relation_sum.numpy())


def test_built_outside_the_scope() -> None:
    mirrored = strategy()
    criterion, online = OBRLoss(LABELS), OnlineBatchRelation(LABELS)
    y, x = batch(10)
    for call in (lambda: criterion(y, x), lambda: online.update(y)):
        with pytest.raises(ValueError, match=r"within strategy.scope\(\)"):
            mirrored.run(call)
    assert not criterion.relation_weight.numpy().any()


def test_fit_on_two_replicas() -> None:
    random = np.random.default_rng(0)
    y = labels(random, 64)
    x = random.standard_normal((64, 3)).astype(np.float32)
    with strategy().scope():
        keras.utils.set_random_seed(0)
        network = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(LABELS)])
        criterion = OBRLoss(LABELS)
        network.compile("sgd", loss=criterion, jit_compile=False)
    expected, logits = obrl.OBRLoss(LABELS), network(x[:16]).numpy()
    first = expected(logits, y[:16])
    history = network.fit(x[:16], y[:16], batch_size=16, shuffle=False, verbose=0)
    assert_close("loss", np.array(history.history["loss"][0]), first, band(80, 10.0, "float32"))
    network.fit(
        x[16:], y[16:], batch_size=16, shuffle=False, validation_data=(x, y), callbacks=[OBRLossCallback()], verbose=0
    )
    for start in (16, 32, 48):
        expected(np.zeros((16, LABELS)), y[start : start + 16])
    assert_close("relation", criterion.relation.numpy(), expected.relation, band(16, 1.0, "float32"))
    assert_close("weight", criterion.relation_weight.numpy(), expected.relation_weight, band(40, 8.0, "float32"))
