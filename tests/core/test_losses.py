"""When the relation moves, extreme inputs, and the arguments of the NumPy losses."""

from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import obrl
from obrl import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss, spec
from tests.support import strategies
from tests.support.cases import Case
from tests.support.compare import assert_same_state
from tests.support.tolerances import assert_close, assert_exact, band

TARGETS = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]])
LOGITS = np.array([[2.0, 1, -1], [-1, 0.5, 1], [0, 3, 0.25], [-2, -1, 1], [1, 1, 1]])
OTHER = 1 - TARGETS[:, ::-1]


def trained() -> OBRLoss:
    criterion = OBRLoss(3, decay=0.9)
    criterion(LOGITS, TARGETS)
    return criterion


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_update_says_whether_the_relation_moves(kind: type) -> None:
    criterion, before, once = kind(3), kind(3), kind(3)
    criterion(LOGITS, TARGETS, update=False)
    assert_same_state(criterion, before)
    once(LOGITS, TARGETS)
    criterion(LOGITS, TARGETS, update=True)
    assert_same_state(criterion, once)
    assert (criterion.relation_weight == 1).all()


def test_a_frozen_relation_stays() -> None:
    start = trained()
    frozen = OBRLoss(3, decay=0.9, relation=start.to_numpy(), freeze=True)
    frozen(LOGITS, OTHER)
    assert_same_state(frozen, start)


@given(strategies.cases(max_batches=2))
def test_losses_start_from_any_form_of_a_relation(case: Case) -> None:
    first = OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        first(batch.logits, batch.targets, observed=batch.observed)
    for start in (first.to_numpy(), first):
        second = OBRLoss(case.num_labels, **case.arguments, relation=start)
        assert_same_state(first, second)
        batch = case.batches[0]
        second(batch.logits, batch.targets, observed=batch.observed)
    if case.estimator == "batch":
        known = OBRLoss(case.num_labels, **case.arguments, relation=first.relation)
        assert_close("relation", known.relation, first.relation, band(case.num_labels, 1.0))


def test_a_start_is_not_shared() -> None:
    start = OnlineBatchRelation(3).update(TARGETS)
    before = start.relation_sum
    OBRLoss(3, relation=start)(LOGITS, OTHER)
    assert_exact("sum", start.relation_sum, before)


def test_a_matrix_fades_like_a_history() -> None:
    matrix = np.array([[1.0, 0.9], [0.9, 1.0]])
    criterion = OBRLoss(2, decay=0.75, relation=matrix)
    criterion(LOGITS[:2, :2], np.array([[1, 0], [0, 1]]))
    assert_close("relation", criterion.relation[0, 1], 0.75 * 0.9 + 0.25 * 0.0, band(4, 1.0))


@given(
    st.lists(st.floats(-1e300, 1e300) | st.sampled_from([1e300, -1e300, 1e-320]), min_size=6, max_size=6),
    st.sampled_from(strategies.REDUCTIONS),
)
def test_logits_of_any_size(values: list[float], reduction: str) -> None:
    logits = np.array(values).reshape(2, 3)
    criterion = OBRLoss(3, reduction=reduction, pos_weight=[1, 2, 3])
    criterion(LOGITS, TARGETS)
    terms, gradient = criterion.value_and_grad(logits, TARGETS[:2])
    for result in (*terms, gradient):
        assert np.isfinite(result).all()


def test_logits_at_the_end_of_float16() -> None:
    logits = np.array([[65504.0, -65504.0, 0.0]], np.float16)
    terms, gradient = OBRLoss(3).value_and_grad(logits, [[0, 1, 1]])
    assert_exact("L_E", terms.cross_entropy, 2 * 65504.0 + np.log(2))
    assert_exact("gradient", gradient, np.array([[1, -1, -0.5]], np.float16))


def test_lists_are_accepted_as_arrays() -> None:
    terms = OBRLoss(2).terms([[0.0, 0.0]], [[1, 0]], observed=[[True, False]], sample_weight=[2.0])
    assert_close("L_E", terms.cross_entropy, 2 * np.log(2), band(2, 2.0))


def test_one_way_relations_count_half() -> None:
    relation = np.array([[1.0, 0.9], [0.5, 1.0]])
    logits = np.array([[1.0, -2.0]])
    (difference,) = np.diff(1 / (1 + np.exp(-logits[0])))
    both = relation_loss(logits, np.array([[1.0, 0.9], [0.9, 1.0]]))
    one = relation_loss(logits, relation)
    assert_close("two ways", both, 2 * difference**2 / 8, band(4, 1.0))
    assert_close("one way", one, both / 2, band(4, 1.0))
    per_pair = relation_loss(logits, relation, normalization="active_pairs")
    assert_close("per active pair", per_pair, difference**2 / 2, band(4, 1.0))


def test_the_public_names() -> None:
    classes = {"OBRLoss", "RelationLoss", "OnlineBatchRelation"}
    assert set(obrl.__all__) >= {*classes, "relation_loss", "count_pairs", "MEASURES"}
    for name in set(obrl.__all__) - {"MEASURES", "__version__"}:
        assert getattr(obrl, name).__module__ == "obrl"
    for kind in (obrl.LossTerms, obrl.PairCounts, obrl.Pair, obrl.Settings):
        assert list(get_type_hints(kind)) == list(kind.__annotations__)
    for name in spec.__all__:
        assert getattr(spec, name).__doc__
