"""The table of bad inputs, for JAX, outside of jit and inside; a call gives no new state."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from obrl.jax import OBRLoss, OnlineBatchRelation, RelationLoss, RelationState, relation_loss, update_relation
from tests.support import bad_inputs
from tests.support.bad_inputs import (
    ARGUMENTS,
    CALLS,
    GOOD_LOGITS,
    GOOD_TARGETS,
    NUM_LABELS,
    BadInput,
    refused,
)

KINDS = (OBRLoss, RelationLoss)
ARRAYS_ONLY = (
    *(
        BadInput(f"{name} a {kind}", {name: value}, TypeError, f"{name} must be a JAX or NumPy array", f"got {kind}")
        for name, value, kind in (
            ("logits", GOOD_LOGITS.tolist(), "list"),
            ("targets", [[1, 0]], "list"),
            ("observed", [[True]], "list"),
            ("sample_weight", 2.0, "float"),
        )
    ),
    BadInput("no state", {"state": None}, TypeError, "state must be a RelationState", "got NoneType"),
    *(
        BadInput(name, {"state": RelationState(np.zeros(shape, kind), np.zeros(shape[-2:], kind))}, ValueError, *words)
        for name, shape, kind, *words in (
            ("a state of another size", (4, 4), "float32", "state.relation_sum must have shape (3, 3)", "got (4, 4)"),
            ("a state in half precision", (3, 3), "float16", "in float32 or float64", "float16"),
            ("the state of counts", (3, 3, 3), "float32", "state.relation_sum must have shape (3, 3)", "got (3, 3, 3)"),
        )
    ),
)
READ_VALUES = ("targets must lie in [0, 1]",)


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
@pytest.mark.parametrize("bad", (*CALLS, *ARRAYS_ONLY), ids=str)
def test_calls(bad: BadInput, kind: Any) -> None:
    criterion = kind(NUM_LABELS)
    arguments = bad_inputs.good_call({"state": criterion.init(), **bad.change}, lambda array: array)
    for method in ("__call__",) + (("terms",) if kind is OBRLoss else ()):
        with refused(bad):
            getattr(criterion, method)(**arguments)


@pytest.mark.parametrize("bad", [bad for bad in CALLS if bad.expected not in READ_VALUES], ids=str)
def test_metadata_is_checked_while_tracing(bad: BadInput) -> None:
    """With 64 bits, which NumPy's arrays have and JAX would narrow before the check could name them."""
    criterion = OBRLoss(NUM_LABELS)
    with jax.enable_x64(True):
        arguments = bad_inputs.good_call({"state": criterion.init(), **bad.change}, jnp.asarray)
        with refused(bad):
            jax.jit(criterion, static_argnames="update")(**arguments)


@pytest.mark.parametrize("bad", [bad for bad in CALLS if bad.expected in READ_VALUES], ids=str)
def test_values_are_read_where_they_can_be(bad: BadInput) -> None:
    for validate in (None, True):
        criterion = OBRLoss(NUM_LABELS, validate=validate)
        arguments = bad_inputs.good_call({"state": criterion.init(), **bad.change}, jnp.asarray)
        with refused(bad):
            criterion(**arguments)
        if validate is None:
            jax.jit(criterion)(**arguments)
        else:
            with pytest.raises(jax.errors.JaxRuntimeError, match=r"targets must lie in \[0, 1\]"):
                jax.block_until_ready(jax.jit(criterion)(**arguments))
    criterion = OBRLoss(NUM_LABELS, validate=False)
    criterion(**arguments)


@pytest.mark.parametrize(
    "bad",
    [bad for bad in CALLS if set(bad.change) <= {"targets", "observed"} and "another batch size" not in bad.name],
    ids=str,
)
def test_updates(bad: BadInput) -> None:
    online = OnlineBatchRelation(NUM_LABELS)
    arguments = bad_inputs.good_call(bad.change, lambda array: array)
    del arguments["logits"]
    with refused(bad):
        online.update(state=online.init(), **arguments)
    with pytest.raises(bad.error):
        update_relation(state=online.init(), **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_relation_is_not_updated(kind: Any) -> None:
    criterion = kind(NUM_LABELS, freeze=True, relation=np.eye(NUM_LABELS))
    with pytest.raises(ValueError, match="frozen"):
        criterion(GOOD_LOGITS, GOOD_TARGETS, criterion.init(), update=True)


def test_update_is_static() -> None:
    criterion = OBRLoss(NUM_LABELS)
    with pytest.raises(TypeError, match="update must be True, False or None"):
        jax.jit(criterion)(GOOD_LOGITS, GOOD_TARGETS, criterion.init(), update=True)


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (np.eye(4), "logits must have"),
        (np.zeros((3, 2)), "relation must have shape"),
        (np.eye(3) + 0j, "real"),
        ([[1.0]], "relation must be a JAX or NumPy array"),
    ],
)
def test_stateless_relation(relation: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        relation_loss(GOOD_LOGITS, relation)


def test_the_dtype_of_a_state() -> None:
    with pytest.raises(ValueError, match="must be float32 or float64, got float16"):
        OBRLoss(3).init(jnp.float16)
    with pytest.raises(ValueError, match="jax_enable_x64"):
        OBRLoss(3).init(jnp.float64)
    with jax.enable_x64(True):
        assert OBRLoss(3).init(jnp.float64).relation_sum.dtype == jnp.float64
