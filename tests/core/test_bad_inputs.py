"""The table of bad inputs, for NumPy: no bad call changes the state."""

from typing import Any

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss, count_pairs, relation_loss
from tests.support import bad_inputs
from tests.support.bad_inputs import (
    ARGUMENTS,
    CALLS,
    GOOD_LOGITS,
    GOOD_TARGETS,
    NUM_LABELS,
    WITHOUT_KERNELS,
    BadInput,
    refused,
)
from tests.support.compare import assert_same_state

KINDS = (OBRLoss, RelationLoss)


@pytest.mark.parametrize("bad", (*ARGUMENTS, WITHOUT_KERNELS), ids=str)
def test_arguments(bad: BadInput) -> None:
    with refused(bad):
        OBRLoss(NUM_LABELS, **bad.change)
    if bad.relation_loss:
        with refused(bad):
            RelationLoss(NUM_LABELS, **bad.change)
    if set(bad.change) <= {"decay", "measure", "estimator", "label_names", "ignore_index"}:
        with refused(bad):
            OnlineBatchRelation(NUM_LABELS, **bad.change)
    if set(bad.change) <= {"positive_threshold", "negative_threshold", "normalization", "reduction"}:
        with refused(bad):
            relation_loss(GOOD_LOGITS, np.eye(NUM_LABELS), **bad.change)


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", CALLS, ids=str)
def test_calls(bad: BadInput, kind: Any, estimator: str) -> None:
    criterion = kind(NUM_LABELS, estimator=estimator)
    criterion(GOOD_LOGITS, GOOD_TARGETS)
    before = criterion.to_numpy()
    arguments = bad_inputs.good_call(bad.change, np.asarray)
    methods = ["__call__", "value_and_grad"] + (["terms"] if kind is OBRLoss else [])
    for method in methods:
        with refused(bad):
            getattr(criterion, method)(**arguments)
        assert_same_state(criterion, before)
    criterion(GOOD_LOGITS, GOOD_TARGETS)


# An update has no logits to compare the batch size with.
UPDATES = [bad for bad in CALLS if set(bad.change) <= {"targets", "observed"} and "another batch size" not in bad.name]


@pytest.mark.parametrize("bad", UPDATES, ids=str)
def test_updates(bad: BadInput) -> None:
    relation = OnlineBatchRelation(NUM_LABELS).update(GOOD_TARGETS)
    before = relation.to_numpy()
    arguments = bad_inputs.good_call(bad.change, np.asarray)
    del arguments["logits"]
    with refused(bad):
        relation.update(**arguments)
    assert_same_state(relation, before)
    with pytest.raises(bad.error):
        count_pairs(**arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_relation_is_not_updated(kind: Any) -> None:
    criterion = kind(NUM_LABELS, freeze=True, relation=np.eye(NUM_LABELS))
    before = criterion.to_numpy()
    with pytest.raises(ValueError, match="frozen"):
        criterion(GOOD_LOGITS, GOOD_TARGETS, update=True)
    assert_same_state(criterion, before)


@pytest.mark.parametrize("num_labels", [0, -1, 2.0, "3", True, None])
@pytest.mark.parametrize("kind", [*KINDS, OnlineBatchRelation])
def test_num_labels(kind: Any, num_labels: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="num_labels must be"):
        kind(num_labels)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_keywords_and_no_others(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind(3, 0.9)
    with pytest.raises(TypeError):
        kind(3, lamda=0.9)


def test_merging_what_does_not_fit() -> None:
    relation = OnlineBatchRelation(3, label_names=["a", "b", "c"])
    for other, word in (
        (OnlineBatchRelation(4), "labels"),
        (OnlineBatchRelation(3, decay=0.5), "decay"),
        (OnlineBatchRelation(3, measure="cosine"), "measure"),
        (OnlineBatchRelation(3, estimator="counts"), "estimator"),
        (OnlineBatchRelation(3, label_names=["a", "c", "b"]), "label_names"),
    ):
        with pytest.raises(ValueError, match=word):
            relation.merge(other)
    with pytest.raises(TypeError, match="OnlineBatchRelation"):
        relation.merge(np.eye(3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("relation", "message"),
    [(np.eye(4), "logits must have"), (np.zeros((3, 2)), "relation must have shape"), (np.eye(3) + 0j, "real")],
)
def test_stateless_relation(relation: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        relation_loss(GOOD_LOGITS, relation)


def test_the_helper_needs_both_halves_of_the_message() -> None:
    bad = BadInput("example", {}, ValueError, "expected this", "got that")
    with refused(bad):
        raise ValueError("expected this, got that")
    with pytest.raises(AssertionError, match="does not say what the argument is"), refused(bad):
        raise ValueError("expected this")
    with pytest.raises(AssertionError), refused(bad):
        raise ValueError("got that")
    with pytest.raises(BaseException, match="DID NOT RAISE"), refused(bad):
        pass
