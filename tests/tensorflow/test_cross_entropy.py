"""A function in place of Eq. 4 and `ignore_index` in TensorFlow: graphs, derivatives, copies and configurations."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from obrl.tensorflow import OBRLoss, OnlineBatchRelation, RelationLoss
from obrl_tensorflow.namespace import TENSORFLOW
from tests.support.other_losses import functions
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import LABELS, batch

FUNCTIONS = functions(TENSORFLOW, tf.math.log)


@keras.saving.register_keras_serializable(package="tests")
def registered_focal(x: Any, y: Any) -> Any:
    """A function that Keras finds again."""
    return FUNCTIONS["focal"](x, y)


def unregistered(x: Any, y: Any) -> Any:
    return registered_focal(x, y)


def value_and_gradients(criterion: Any, y: Any, x: Any) -> Any:
    """The loss, its gradient, and a second derivative."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(criterion(y, x))
        gradient = tape.gradient(value, x)
    return value, gradient, outer.gradient(gradient, x)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(("impl", "compiled"), [("auto", False), ("plain", True), ("fused", False)])
def test_a_graph_gives_what_eager_mode_gives(impl: str, compiled: bool, reduction: str) -> None:
    """Also where it does not know the number of rows."""
    arguments: dict[str, Any] = {"cross_entropy": FUNCTIONS["focal"], "alpha": 5.0, "reduction": reduction}
    eager, graph = OBRLoss(LABELS, **arguments, impl="plain"), OBRLoss(LABELS, **arguments, impl=impl)
    shape = (8 if compiled else None, LABELS)
    step = tf.function(
        lambda y, x: value_and_gradients(graph, y, x),
        input_signature=[tf.TensorSpec(shape, tf.float32)] * 2,
        jit_compile=compiled,
    )
    for seed in range(3):
        y, x = map(tf.constant, batch(8, seed=seed))
        for name, ours, theirs in zip(
            ("loss", "gradient", "second derivative"), step(y, x), value_and_gradients(eager, y, x), strict=True
        ):
            assert_close(name, ours.numpy(), theirs.numpy(), band(40, 50.0, "float32"))
    assert_close("relation", graph.relation.numpy(), eager.relation.numpy(), band(8, 1.0, "float32"))


def test_in_a_graph_the_relation_waits_for_the_function() -> None:
    """A number of rows that only the run shows to be wrong moves nothing."""
    criterion = OBRLoss(LABELS, cross_entropy=lambda x, y: tf.concat([x, x[: tf.shape(x)[0] // 2]], 0))
    step = tf.function(criterion, input_signature=[tf.TensorSpec((None, LABELS), tf.float32)] * 2)
    y, x = batch(8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows"):
        step(y, x)
    assert not criterion.relation_weight.numpy().any()


def test_copies_and_configurations() -> None:
    y, x = batch(8)
    for function in (registered_focal, unregistered):
        criterion = OBRLoss(LABELS, cross_entropy=function, ignore_index=-1)
        for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):  # noqa: S301
            assert other.cross_entropy is function
            assert other.ignore_index == -1
    criterion = OBRLoss(LABELS, cross_entropy=registered_focal)
    assert OBRLoss.from_config(criterion.get_config()).cross_entropy is registered_focal
    assert "cross_entropy=registered_focal" in repr(criterion)
    with pytest.raises(ValueError, match="cross_entropy must be registered"):
        OBRLoss(LABELS, cross_entropy=unregistered).get_config()
    config = RelationLoss(LABELS, ignore_index=255).get_config()
    assert config["ignore_index"] == 255
    assert RelationLoss.from_config(config).ignore_index == copy.deepcopy(RelationLoss.from_config(config)).ignore_index
    assert np.isfinite(criterion(y, x))


def test_call_gives_the_loss_of_each_sample() -> None:
    y, x = batch(8)
    criterion = OBRLoss(LABELS, cross_entropy=FUNCTIONS["focal"], reduction="sum")
    total = criterion(y, x, update=True)
    assert_close("L", criterion.call(y, x).numpy().sum(), total.numpy(), band(80, 50.0, "float32"))


def test_ignored_targets_in_a_graph() -> None:
    y, x = batch(20)
    signs = (2 * y - 1).astype(np.int8)
    for kind in (OBRLoss, RelationLoss):
        criterion, expected = kind(LABELS, ignore_index=-1, validate=False), kind(LABELS)
        loss = tf.function(criterion)(signs, x)
        assert_close("L", loss, expected(y, x, observed=signs != -1), band(80, 50.0, "float32"))
        assert_exact("state", criterion.relation_sum.numpy(), expected.relation_sum.numpy())
        with pytest.raises(TypeError, match="targets must be integers"):
            tf.function(criterion)(y, x)
    relation = OnlineBatchRelation(LABELS, ignore_index=-1, validate=False).update(signs)
    assert_exact("state", relation.relation_sum.numpy(), expected.relation_sum.numpy())
    assert relation.merge(relation).ignore_index == -1
    assert "ignore_index=-1" in repr(relation)
