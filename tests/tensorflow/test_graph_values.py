"""A graph on a CPU stops at targets outside [0, 1] before the relation moves, and notices a sigmoid."""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from obrl.tensorflow import OBRLoss, OnlineBatchRelation, RelationLoss
from obrl_keras.graphs import RefusalWords
from obrl_tensorflow import native

LOGITS = tf.constant(np.linspace(-4, 4, 128, dtype=np.float32).reshape(32, 4))
TARGETS = tf.cast(tf.reshape(tf.range(128), (32, 4)) % 3 == 0, tf.float32)
WORDS = RefusalWords("from", "to", "")


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


OUTSIDE = [
    *((kind, value) for kind in ("int8", "int16", "int32", "int64") for value in (-1, 2)),
    *(("int8", value) for value in (-128, 127)),
    *((kind, 256) for kind in ("int16", "uint16", "int32", "int64")),
    *(("int64", value) for value in (2**32, -(2**32))),
    ("uint8", 255),
    ("uint32", 2**31),
    ("uint64", 2**63),
    ("bfloat16", 1.0078125),
    *((kind, np.nextafter(np.dtype(kind).type(1), np.inf)) for kind in ("float16", "float32", "float64")),
    *((kind, -1e-3) for kind in ("float16", "bfloat16", "float32")),
    *(("float64", value) for value in (-1e-300, np.inf)),
]
"""Numbers of which many lie in [0, 1] after a cast to a narrower dtype."""


def targets_with(value, dtype):
    """Zeros and ones, and one other number at the end."""
    targets = TARGETS.numpy().astype(tf.as_dtype(dtype).as_numpy_dtype)
    targets[-1, -1] = value
    return tf.constant(targets)


def words_of_refusal(criterion, targets, **options):
    """The words and numbers of a graph's error, without punctuation; the relation stays as it was."""
    before = criterion.relation_weight.numpy()
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.function(lambda y: criterion(y, LOGITS, **options))(targets)
    assert (criterion.relation_weight.numpy() == before).all()
    sentence = re.search(r"targets must lie in.*", error.value.message)
    return re.findall(r"-?\w+", sentence.group())


@pytest.mark.parametrize(("dtype", "value"), OUTSIDE)
def test_native_code_checks_every_dtype(dtype, value):
    """With the words and numbers of TensorFlow's operations; a mask hides the number."""
    targets = targets_with(value, dtype)
    words = words_of_refusal(OBRLoss(4, impl="fused"), targets)
    assert words == words_of_refusal(OBRLoss(4, impl="plain"), targets)
    assert ("logits" in words) == targets.dtype.is_floating
    criterion = OBRLoss(4, impl="fused")
    observed = tf.reshape(tf.range(128) != 127, (32, 4))
    tf.function(lambda y: criterion(y, LOGITS, observed=observed))(targets)
    assert np.any(criterion.relation_weight)


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
@pytest.mark.parametrize("impl", ["plain", "fused"])
def test_a_graph_that_does_not_move_the_relation_checks_too(impl, kind):
    criterion = kind(4, impl=impl)
    criterion(TARGETS, LOGITS)
    assert "logits" in words_of_refusal(criterion, TARGETS + 1, update=False)


@pytest.mark.parametrize("known", [False, True])
def test_native_code_looks_at_every_position(known):
    """Also at those that fill no vector of the processor."""
    for position in range(33):
        targets = tf.one_hot(position, 33) * 2
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"from 0 to 2\."):
            native.check_targets(targets, tf.ones(33, tf.bool) if known else None, WORDS)
        native.check_targets(targets, targets == 0, WORDS)


def test_native_code_names_the_extremes_of_known_targets():
    targets = tf.constant([-3, 0.25, np.nan, 7.5, 0.5])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"got 0\.25 to 7\.5\. One\. Two\."):
        native.check_targets(targets, targets != -3, RefusalWords("got", "to", "One. Two."))


def test_native_code_knows_a_target_by_any_byte_but_0():
    """A mask that was viewed as bool may hold other bytes than 0 and 1."""
    observed = np.full((32, 4), 2, np.uint8).view(bool)
    criterion = OBRLoss(4, impl="fused")
    with pytest.raises(tf.errors.InvalidArgumentError, match="got values from -1 to 0"):
        tf.function(lambda y, mask: criterion(y, LOGITS, observed=mask))(TARGETS - 1, observed)
    assert not np.any(criterion.relation_weight)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_native_code_passes_batches_without_a_known_target(dtype):
    criterion = OBRLoss(4, impl="fused")
    targets = tf.cast(TARGETS, dtype)

    @tf.function(input_signature=[tf.TensorSpec((None, 4), dtype), tf.TensorSpec((None, 4), tf.bool)])
    def step(targets, observed):
        return criterion(targets, LOGITS[: tf.shape(targets)[0]], observed=observed)

    step(targets[:0], TARGETS[:0] == 1)
    step(targets - 1, TARGETS > 1)
    if targets.dtype.is_floating:
        step(targets * float("nan"), TARGETS <= 1)
    assert not np.any(criterion.relation_weight)
    step(targets, TARGETS <= 1)
    assert np.any(criterion.relation_weight)


def test_a_vectorized_map_checks_too():
    criterion = OBRLoss(4, impl="fused")
    criterion(TARGETS, LOGITS)

    @tf.function
    def losses(targets):
        return tf.vectorized_map(lambda y: criterion(y, LOGITS, update=False), targets)

    expected = criterion(TARGETS, LOGITS, update=False)
    np.testing.assert_allclose(losses(tf.stack([TARGETS, TARGETS])), [expected, expected], rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="targets must lie in"):
        losses(tf.stack([TARGETS, TARGETS - 1]))


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_missing_targets_are_not_looked_at(impl):
    criterion = OBRLoss(4, ignore_index=-1, impl=impl)
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


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_validate_false_leaves_the_check_out(impl):
    graph_of(OBRLoss(4, validate=False, impl=impl))(TARGETS - 1)
    graph_of(OBRLoss(4, validate=False, ignore_index=-1, impl=impl))(SIGNS)


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
