"""A graph on a CPU stops at targets outside [0, 1] before the relation moves, and notices a sigmoid."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from obrl.tensorflow import OBRLoss

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


def test_validate_false_leaves_the_check_out():
    graph_of(OBRLoss(4, validate=False))(TARGETS - 1)


def test_a_graph_shows_where_probabilities_come_from():
    criterion = OBRLoss(4)
    step = tf.function(lambda logits: criterion(TARGETS, tf.sigmoid(logits)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        step(LOGITS)
    assert any("the logits come from sigmoid" in str(warning.message) for warning in caught)
