"""A graph on a CPU stops at targets outside [0, 1] before the relation moves, and notices a sigmoid."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from obrl.tensorflow import OBRLoss, OnlineBatchRelation

LOGITS = tf.constant(np.linspace(-4, 4, 128, dtype=np.float32).reshape(32, 4))
TARGETS = tf.cast(tf.reshape(tf.range(128), (32, 4)) % 3 == 0, tf.float32)


def graph_of(criterion):
    return tf.function(lambda targets: criterion(targets, LOGITS))


@pytest.mark.parametrize("impl", ["auto", "plain", "fused"])
def test_a_graph_stops_before_anything_moves(impl):
    criterion = OBRLoss(4, impl=impl)
    step = graph_of(criterion)
    with pytest.raises(tf.errors.InvalidArgumentError, match="ignore_index=-1"):
        step(TARGETS - 1)
    assert not np.any(criterion.relation_weight)
    step(tf.where(LOGITS > 3, float("nan"), TARGETS))
    assert np.any(criterion.relation_weight)


def test_missing_targets_are_not_looked_at():
    criterion = OBRLoss(4, ignore_index=-1)
    graph_of(criterion)(tf.where(LOGITS > 3, -1, tf.cast(TARGETS, tf.int32)))
    assert np.any(criterion.relation_weight)


SIGNS = tf.where(tf.reshape(tf.range(128), (32, 4)) % 2 == 0, 1, -1)


@pytest.mark.parametrize("impl", ["auto", "plain", "fused", "relation"])
def test_a_graph_refuses_a_minus_one_that_means_absent(impl):
    """Before anything moves; not where the caller has masked them, nor where it may be chance."""
    if impl == "relation":
        criterion = OnlineBatchRelation(4, ignore_index=-1)
        step = tf.function(lambda targets, observed: criterion.update(targets, observed=observed).relation_weight)
    else:
        criterion = OBRLoss(4, ignore_index=-1, impl=impl)
        step = tf.function(lambda targets, observed: criterion(targets, LOGITS, observed=observed))
    everywhere = tf.ones(SIGNS.shape, tf.bool)
    with pytest.raises(tf.errors.InvalidArgumentError, match="If -1 means absent, as in CelebA"):
        step(SIGNS, everywhere)
    assert not np.any(criterion.relation_weight)
    step(SIGNS, SIGNS != -1)
    step(tf.where(tf.reshape(tf.range(128), (32, 4)) < 31, 1, -1), everywhere)
    step(tf.where(tf.reshape(tf.range(128), (32, 4)) % 5 == 0, 0, SIGNS), everywhere)
    assert np.any(criterion.relation_weight)


def test_a_relation_in_a_graph_checks_the_range():
    relation = OnlineBatchRelation(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="targets must lie in"):
        tf.function(lambda targets: relation.update(targets).relation_weight)(TARGETS - 1)
    assert not np.any(relation.relation_weight)


def test_fit_refuses_a_minus_one_that_means_absent():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model.compile("sgd", loss=OBRLoss(4, ignore_index=-1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="If -1 means absent, as in CelebA"):
        model.fit(np.ones((32, 2)), SIGNS.numpy(), verbose=0)
    assert not np.any(model.loss.relation_weight)


def test_validate_false_leaves_the_check_out():
    graph_of(OBRLoss(4, validate=False))(TARGETS - 1)
    graph_of(OBRLoss(4, validate=False, ignore_index=-1))(SIGNS)


@pytest.mark.parametrize(
    "change", [lambda p: p, lambda p: tf.cast(p, tf.float16), lambda p: tf.reshape(p[:, :4], (32, 4))]
)
def test_a_graph_shows_where_probabilities_come_from(change):
    criterion = OBRLoss(4)
    step = tf.function(lambda logits: criterion(TARGETS, change(tf.sigmoid(logits))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        step(LOGITS)
    assert any("the logits come from sigmoid" in str(warning.message) for warning in caught)
