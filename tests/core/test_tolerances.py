"""The helpers of the suites fail on wrong input."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support import oracle, tolerances
from tests.support.cases import LAYOUTS, Batch, Case, laid_out
from tests.support.compare import assert_loss_terms, assert_relation_loss, assert_same_state, assert_state
from tests.support.strategies import threshold_candidates
from tests.support.tolerances import EPS, THRESHOLD_MARGIN, assert_close, assert_exact, band

TARGETS = np.array([[1, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 1]])
LOGITS = np.array([[0.5, -1, 2, 0], [1, 1, -1, -2], [3, 0.25, -0.5, 1], [-1, 2, 0, 1], [0, 1, 2, 3]], float)
CASE = Case(num_labels=4, batches=(Batch(LOGITS, TARGETS), Batch(LOGITS[:3], TARGETS[:3])), decay=0.5)


def result(expected: oracle.Expected) -> Any:
    terms = expected.terms
    return SimpleNamespace(total=terms.total, cross_entropy=terms.cross_entropy, relation_loss=terms.relation_loss)


def holder(expected: oracle.Expected) -> Any:
    return SimpleNamespace(
        relation_sum=expected.state.relation_sum.copy(),
        relation_weight=expected.state.relation_weight.copy(),
        relation=expected.relation.copy(),
    )


def test_the_case_has_pairs_of_both_signs() -> None:
    codes = oracle.run(CASE)[-1].codes
    assert codes.positive.any()
    assert codes.negative.any()


@pytest.mark.parametrize("factor", [1 + 1e-6, 2.0, 0.5, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", ["total", "cross_entropy", "relation_loss", "gradient"])
def test_a_wrong_loss_is_refused(name: str, factor: float) -> None:
    batch, expected = CASE.batches[-1], oracle.run(CASE)[-1]
    right, gradient = result(expected), expected.terms.gradient
    assert_loss_terms(CASE, batch, expected, right, gradient)
    with pytest.raises(AssertionError, match=name):
        if name == "gradient":
            assert_loss_terms(CASE, batch, expected, right, gradient * factor)
        else:
            setattr(right, name, getattr(right, name) * factor)
            assert_loss_terms(CASE, batch, expected, right, gradient)


def test_one_wrong_entry_of_a_gradient_is_refused() -> None:
    batch, expected = CASE.batches[-1], oracle.run(CASE)[-1]
    for index in np.ndindex(expected.terms.gradient.shape):
        wrong = expected.relation_gradient.copy()
        assert_relation_loss(CASE, batch, expected, expected.relation_value, wrong)
        wrong[index] += 1e-9
        with pytest.raises(AssertionError, match="gradient"):
            assert_relation_loss(CASE, batch, expected, expected.relation_value, wrong)


@pytest.mark.parametrize("name", ["relation_sum", "relation_weight", "relation"])
@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_a_wrong_state_is_refused(name: str, estimator: str) -> None:
    case = replace(CASE, estimator=estimator)
    expected = oracle.run(case)[-1]
    right = holder(expected)
    assert_state(case, expected, right)
    wrong = holder(expected)
    getattr(wrong, name)[..., 0, 1] += 1e-9
    with pytest.raises(AssertionError, match=name):
        assert_state(case, expected, wrong)
    wrong = holder(expected)
    getattr(wrong, name)[..., 0, 1] = np.nan
    with pytest.raises(AssertionError, match="NaN in other places"):
        assert_state(case, expected, wrong)


def test_states_must_be_bit_equal_to_be_the_same() -> None:
    first, second = holder(oracle.run(CASE)[-1]), holder(oracle.run(CASE)[-1])
    assert_same_state(first, second)
    second.relation_weight[0, 1] = np.nextafter(second.relation_weight[0, 1], 2)
    with pytest.raises(AssertionError, match="relation_weight"):
        assert_same_state(first, second)


def test_counts_have_no_tolerance() -> None:
    case = replace(CASE, decay=1.0, estimator="counts")
    total, weight, _ = tolerances.state_bounds(case, oracle.run(case)[-1].state)
    assert total == 0
    assert weight == 0
    assert_exact("counts", np.array([1.0, np.nan]), np.array([1.0, np.nan]))
    with pytest.raises(AssertionError, match="allowed"):
        assert_exact("counts", np.array([1.0]), np.array([1.0 + EPS["float64"]]))


@pytest.mark.parametrize(
    ("actual", "message"),
    [(np.zeros((2, 3)), "shape"), (np.array([0.0, np.nan]), "NaN"), (np.array([0.0, 0.2]), r"\(1,\)")],
)
def test_close_says_what_is_wrong(actual: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_close("value", actual, np.zeros(2), 0.1)


def test_bounds_are_small() -> None:
    """A bound is far below the effect of any fault worth finding."""
    for precision, eps in EPS.items():
        assert band(100, 1.0, precision) < 200 * eps
    for batch, expected in zip(CASE.batches, oracle.run(CASE), strict=True):
        limit = tolerances.bounds(CASE, batch, expected)
        assert limit.total < 1e-12
        assert limit.gradient.max() < 1e-12


def test_a_lower_precision_is_bounded_by_plain_code() -> None:
    assert_exact("bound", tolerances.lower_precision([-1.0, 2.0], 0.5, 0.25), [2.75, 4.75])


def test_thresholds_keep_away_from_what_is_attained() -> None:
    values = threshold_candidates(CASE)
    assert len(values) >= 2
    for relation in oracle.relations(CASE):
        attained = relation[np.isfinite(relation)]
        assert np.abs(np.subtract.outer(attained, values)).min() >= THRESHOLD_MARGIN


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_hold_the_same_values(layout: str) -> None:
    array = laid_out(LOGITS, layout)
    np.testing.assert_array_equal(array, LOGITS)
    assert array.flags.c_contiguous == (layout == "rows")
