"""The state as variables, as checkpoints, as a file, and beside NumPy's."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import obrl
from obrl.tensorflow import LossTerms, OBRLoss, OBRLossCallback, OnlineBatchRelation, RelationLoss
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import LABELS, NAMES, batch


def trained(estimator: str = "batch", **settings: Any) -> OBRLoss:
    criterion = OBRLoss(LABELS, estimator=estimator, label_names=NAMES, **settings)
    for seed in range(3):
        criterion(*batch(8, seed=seed))
    return criterion


def assert_states(ours: Any, theirs: Any) -> None:
    for name in ("relation_sum", "relation_weight"):
        assert_exact(name, getattr(ours, name).numpy(), getattr(theirs, name).numpy())


@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_files_go_both_ways_and_training_goes_on(estimator: str, tmp_path: Path) -> None:
    criterion = trained(estimator)
    path = tmp_path / "relation.npz"
    criterion.save_relation(path)
    numpy = obrl.OBRLoss(LABELS, estimator=estimator, relation=path)
    assert numpy.label_names == tuple(NAMES)
    targets, logits = batch(8, seed=5)
    expected = numpy(logits, targets)
    loaded = OBRLoss(LABELS, estimator=estimator)
    loaded.load_relation(path)
    for start in (loaded, OBRLoss(LABELS, estimator=estimator, relation=path)):
        assert start.label_names == tuple(NAMES)
        assert_states(start, criterion)
        assert_close("loss", start(targets, logits).numpy(), expected, band(40, 10.0, "float32"))
        assert_close("sum", start.relation_sum.numpy(), numpy.relation_sum, band(8, numpy.relation_sum, "float32"))
    numpy.save_relation(path)
    loaded.load_relation(path)
    assert_close("sum", loaded.relation_sum.numpy(), numpy.relation_sum, band(1, numpy.relation_sum, "float32"))


def test_a_file_of_other_settings_is_refused(tmp_path: Path) -> None:
    criterion = trained()
    criterion.save_relation(tmp_path / "relation.npz")
    for change in ({"decay": 0.5}, {"measure": "cosine"}, {"estimator": "counts"}):
        other = OBRLoss(LABELS, **change)
        with pytest.raises(ValueError, match=next(iter(change))):
            other.load_relation(tmp_path / "relation.npz")
        assert not other.relation_weight.numpy().any()
    with pytest.raises(ValueError, match="label_names must agree"):
        OBRLoss(LABELS, label_names=list("abcde")).load_relation(tmp_path / "relation.npz")


def test_a_checkpoint_keeps_the_relation_beside_a_model(tmp_path: Path) -> None:
    criterion, model = trained(), keras.layers.Dense(LABELS)
    model.build((None, 3))
    saved = tf.train.Checkpoint(model=model, relation=criterion.online).save(str(tmp_path / "checkpoint"))
    fresh = OBRLoss(LABELS)
    tf.train.Checkpoint(model=keras.layers.Dense(LABELS), relation=fresh.online).restore(saved).expect_partial()
    assert_states(fresh, criterion)
    target, logits = batch(8, seed=5)
    assert_exact("loss", fresh(target, logits).numpy(), criterion(target, logits).numpy())


def test_what_people_see() -> None:
    criterion = trained()
    numpy = criterion.to_numpy()
    assert criterion.pairs() == numpy.pairs()
    assert criterion.pairs()[0].names == ("hat", "cap")
    assert_close("relation", criterion.relation.numpy(), numpy.relation, band(4, 1.0, "float32"))
    assert repr(RelationLoss(3, decay=0.995, impl="fused")) == (
        "RelationLoss(3, decay=0.995, impl='fused', "
        "together: relation >= 0.8 (phi >= 0.6), apart: relation <= 0.2 (phi <= -0.6))"
    )
    online = OnlineBatchRelation(LABELS, relation=numpy, dtype="float64")
    assert repr(online) == "OnlineBatchRelation(5, dtype='float64')"
    assert online.pairs(positive_threshold=0.9) == numpy.pairs(positive_threshold=0.9)


def test_a_relation_by_itself(tmp_path: Path) -> None:
    online, numpy = OnlineBatchRelation(LABELS, dtype="float64"), obrl.OnlineBatchRelation(LABELS)
    later = OnlineBatchRelation(LABELS)
    for seed in range(2):
        targets, _ = batch(8, seed=seed)
        assert online.update(targets) is online
        numpy.update(targets)
    assert online.relation_sum.dtype == tf.float64
    assert_close("relation", online.relation.numpy(), numpy.relation, band(8, 1.0))
    online.save(tmp_path / "relation.npz")
    loaded = OnlineBatchRelation.load(tmp_path / "relation.npz").relation_sum.numpy()
    assert_close("sum", loaded, numpy.relation_sum, band(1, 10.0, "float32"))
    later.update(batch(8, seed=2)[0])
    whole = numpy.update(batch(8, seed=2)[0])
    assert_close("merged", online.merge(later).relation_sum.numpy(), whole.relation_sum, band(8, 10.0, "float32"))
    online.reset()
    assert not online.relation_weight.numpy().any()


def test_a_matrix_to_start_from() -> None:
    matrix = np.array([[1.0, 0.75], [0.75, 1.0]])
    for start in (matrix, tf.constant(matrix), tf.cast(matrix, tf.bfloat16)):
        criterion = OBRLoss(2, relation=start, pos_weight=tf.ones(2, tf.bfloat16))
        assert_close("relation", criterion.relation.numpy(), matrix, band(4, 1.0, "float32"))
        assert criterion.pos_weight == (1.0, 1.0)


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_a_pause_holds_in_graphs_traced_before(impl: str) -> None:
    criterion = trained(impl=impl)
    graph = tf.function(criterion.__call__)
    targets, logits = batch(8)

    def moved(call: Any, **arguments: Any) -> bool:
        before = criterion.relation_weight.numpy()
        call(tf.constant(targets), tf.constant(logits), **arguments)
        return bool((criterion.relation_weight.numpy() != before).any())

    for call in (criterion, graph):
        assert moved(call)
        criterion.pause()
        assert not moved(call)
        assert moved(call, update=True)
        criterion.pause(False)
        assert moved(call)
        assert not moved(call, update=False)


def test_a_configuration_makes_the_same_loss() -> None:
    criterion = OBRLoss(LABELS, decay=0.9, alpha=2.0, measure="cosine", pos_weight=np.arange(1.0, 6.0), name="joint")
    for kind in (criterion, RelationLoss(LABELS, reduction="sum", label_names=NAMES)):
        serialized = keras.saving.serialize_keras_object(kind)
        assert serialized["registered_name"] == f"obrl>{type(kind).__name__}"
        again = keras.saving.deserialize_keras_object(serialized)
        assert repr(again) == repr(kind)
        assert again.get_config() == kind.get_config()


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301


@pytest.mark.parametrize("copy_of", [copy.deepcopy, pickled])
def test_a_copy_holds_the_relation(copy_of: Any) -> None:
    criterion = trained(pos_weight=np.arange(1.0, 6.0), impl="plain")
    criterion.pause()
    again = copy_of(criterion)
    assert (repr(again), again.label_names) == (repr(criterion), criterion.label_names)
    assert_states(again, criterion)
    again(*batch(8))
    assert_states(again, criterion)
    again.pause(False)
    again(*batch(8))
    assert again.relation_weight.numpy().max() > criterion.relation_weight.numpy().max()


def test_a_frozen_loss_from_a_file_says_that_it_is_empty() -> None:
    config = OBRLoss(LABELS, relation=np.eye(LABELS), freeze=True).get_config()
    with pytest.warns(UserWarning, match=r"until load_relation\(path\)"):
        again = OBRLoss.from_config(config)
    assert again.freeze
    assert not again.relation_weight.numpy().any()


def test_variables_of_keras_are_taken() -> None:
    targets, logits = batch(4)
    loss = OBRLoss(LABELS)(targets, keras.Variable(logits))
    assert_exact("loss", loss.numpy(), OBRLoss(LABELS)(targets, logits).numpy())


def test_classes_name_their_public_module() -> None:
    for kind in (OBRLoss, RelationLoss, OnlineBatchRelation, OBRLossCallback):
        assert kind.__module__ == "obrl.tensorflow"
    assert isinstance(OBRLoss(LABELS).terms(*batch(4)), LossTerms)
    criterion = OBRLoss(LABELS)
    assert isinstance(criterion, keras.losses.Loss)
    assert (len(criterion.online.variables), criterion.online.trainable_variables) == (2, ())


def test_the_loss_of_each_sample() -> None:
    targets, logits = batch(4)
    each = OBRLoss(LABELS).call(targets, logits)
    assert_close("mean", each.numpy().mean(), OBRLoss(LABELS)(targets, logits).numpy(), band(40, 10.0, "float32"))
