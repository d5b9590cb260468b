"""The table of bad inputs, for TensorFlow, in eager mode and in graphs; the state stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from obrl.tensorflow import OBRLoss, OBRLossCallback, OnlineBatchRelation, RelationLoss, relation_loss
from tests.support import bad_inputs
from tests.support.bad_inputs import ARGUMENTS, CALLS, GOOD_LOGITS, GOOD_TARGETS, NUM_LABELS, BadInput, refused
from tests.support.tolerances import assert_exact

TENSOR = "TensorFlow tensor or NumPy array"
KINDS = (OBRLoss, RelationLoss)
TENSORS_ONLY = tuple(
    BadInput(f"{name} a {kind}", {name: value}, TypeError, f"{name} must be a {TENSOR}", f"got {kind}")
    for name, value, kind in (
        ("logits", GOOD_LOGITS.tolist(), "list"),
        ("targets", [[1, 0]], "list"),
        ("observed", [[True]], "list"),
        ("sample_weight", 2.0, "float"),
    )
)
UPDATES = [bad for bad in CALLS if set(bad.change) <= {"targets", "observed"} and "another batch size" not in bad.name]
READ_VALUES = ("targets must lie in [0, 1]",)
KERAS_NAMES = {"logits": "y_pred", "targets": "y_true"}


def call_arguments(bad: BadInput, convert: Any) -> dict[str, Any]:
    arguments = bad_inputs.good_call(bad.change, convert)
    return {KERAS_NAMES.get(name, name): value for name, value in arguments.items()}


@pytest.mark.parametrize("bad", ARGUMENTS, ids=str)
def test_arguments(bad: BadInput) -> None:
    with refused(bad):
        OBRLoss(NUM_LABELS, **bad.change)
    if bad.relation_loss:
        with refused(bad):
            RelationLoss(NUM_LABELS, **bad.change)
    if set(bad.change) <= {"decay", "measure", "estimator", "label_names", "ignore_index"}:
        with refused(bad):
            OnlineBatchRelation(NUM_LABELS, **bad.change)
    if set(bad.change) <= {"positive_threshold", "negative_threshold", "normalization", "reduction", "impl"}:
        with refused(bad):
            relation_loss(GOOD_LOGITS, np.eye(NUM_LABELS), **bad.change)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("convert", [np.asarray, tf.constant], ids=["numpy", "tensor"])
@pytest.mark.parametrize("bad", (*CALLS, *TENSORS_ONLY), ids=str)
def test_calls(bad: BadInput, convert: Any, kind: Any) -> None:
    criterion = kind(NUM_LABELS)
    criterion(GOOD_TARGETS, GOOD_LOGITS)
    before = [variable.numpy() for variable in criterion.online.variables]
    for method in ("__call__",) + (("terms",) if kind is OBRLoss else ()):
        with refused(bad):
            getattr(criterion, method)(**call_arguments(bad, convert))
    for variable, value in zip(criterion.online.variables, before, strict=True):
        assert_exact("state", variable.numpy(), value)


@pytest.mark.parametrize("bad", [bad for bad in CALLS if bad.expected not in READ_VALUES], ids=str)
def test_metadata_is_checked_while_a_graph_is_traced(bad: BadInput) -> None:
    criterion = OBRLoss(NUM_LABELS)
    with refused(bad):
        tf.function(criterion.__call__)(**call_arguments(bad, tf.constant))
    assert not criterion.relation_weight.numpy().any()


@pytest.mark.parametrize("impl", ["auto", "fused"])
@pytest.mark.parametrize("bad", [bad for bad in CALLS if bad.expected in READ_VALUES], ids=str)
def test_values_are_read_where_they_can_be(bad: BadInput, impl: str) -> None:
    for validate in (None, True):
        criterion = OBRLoss(NUM_LABELS, validate=validate, impl=impl)
        with refused(bad):
            criterion(**call_arguments(bad, tf.constant))
        assert not criterion.relation_weight.numpy().any()
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"targets must lie in \[0, 1\]"):
            tf.function(criterion.__call__)(**call_arguments(bad, tf.constant))
        assert not criterion.relation_weight.numpy().any()
    arguments = call_arguments(bad, tf.constant)
    OBRLoss(NUM_LABELS, validate=False, impl=impl)(**arguments)
    hidden = tf.zeros(arguments["y_true"].shape, tf.bool)
    assert np.isfinite(OBRLoss(NUM_LABELS, impl=impl)(**arguments, observed=hidden))


@pytest.mark.parametrize("bad", UPDATES, ids=str)
def test_updates(bad: BadInput) -> None:
    online = OnlineBatchRelation(NUM_LABELS)
    arguments = bad_inputs.good_call(bad.change, tf.constant)
    del arguments["logits"]
    with refused(bad):
        online.update(**arguments)
    assert not online.relation_weight.numpy().any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_relation_is_not_updated(kind: Any) -> None:
    criterion = kind(NUM_LABELS, freeze=True, relation=np.eye(NUM_LABELS))
    with pytest.raises(ValueError, match="frozen"):
        criterion(GOOD_TARGETS, GOOD_LOGITS, update=True)


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (np.eye(4), "logits must have"),
        (np.zeros((3, 2)), "relation must have shape"),
        (np.eye(3) + 0j, "real"),
        ([[1.0]], "relation must be a TensorFlow tensor or NumPy array"),
    ],
)
def test_stateless_relation(relation: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        relation_loss(GOOD_LOGITS, relation)


def test_the_dtype_of_a_state() -> None:
    with pytest.raises(ValueError, match="must be float32 or float64, got float16"):
        OnlineBatchRelation(3, dtype="float16")


def test_the_callback_wants_a_loss_of_ours() -> None:
    with pytest.raises(TypeError, match="got str"):
        OBRLossCallback("mse")
