"""The specification against SciPy, numpy.corrcoef, finite differences and values computed by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, xlog1py, xlogy

from obrl import spec
from tests.support import oracle, strategies
from tests.support.cases import Case
from tests.support.tolerances import FINITE_DIFFERENCE, FINITE_DIFFERENCE_STEP, assert_close, assert_exact, band, bounds


@given(strategies.cases(max_batches=1))
def test_cross_entropy_is_scipys(case: Case) -> None:
    (batch,) = case.batches
    x = np.clip(batch.logits, -30, 30)  # expit rounds to 1 beyond, where log(1 - p) is lost
    y = batch.targets.astype(np.float64)
    present = ~np.isnan(y) if batch.observed is None else ~np.isnan(y) & batch.observed
    y = np.where(present, y, 0.0)
    weight = np.ones(case.num_labels) if case.pos_weight is None else case.pos_weight
    terms = weight * xlogy(y, expit(x)) + xlog1py(1 - y, -expit(x))
    result = spec.cross_entropy(x, batch.targets, batch.observed, pos_weight=case.pos_weight)
    # 1 - p has lost log2(1 / (1 - p)) bits, which is what exp(|x|) says.
    lost = np.exp(np.abs(x)).max(initial=1.0)
    assert_close("L_E", result, -(present * terms).sum(axis=1), band(case.num_labels, (1 + weight).sum() * lost))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["pearson", "unit_pearson"]))
def test_pearson_is_numpys(seed: int, measure: str) -> None:
    random = np.random.default_rng(seed)
    targets = random.integers(0, 2, size=(24, 5))
    targets[:2] = [[0] * 5, [1] * 5]
    phi = np.corrcoef(targets.T)
    expected = phi if measure == "pearson" else (1 + phi) / 2
    result = spec.measure_pairs(measure, spec.pair_counts(targets))
    assert_close(measure, result, expected, band(len(targets), 1.0))


@given(strategies.cases(label_counts=(1, 2, 3, 4), max_batches=1, reductions=("sum",)))
def test_gradients_are_the_differences_of_the_values(case: Case) -> None:
    note(case.snippet())
    (batch,) = case.batches
    x = np.clip(batch.logits, -8, 8)
    (state,) = oracle.trajectory(case)
    expected = oracle.evaluate(case, batch, state, x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = FINITE_DIFFERENCE_STEP
        above = oracle.evaluate(case, batch, state, x + step)
        below = oracle.evaluate(case, batch, state, x - step)
        size = 1 + abs(expected.terms.total)
        for name, slope, high, low in (
            ("total", expected.terms.gradient, above.terms.total, below.terms.total),
            ("relation", expected.relation_gradient, above.relation_value, below.relation_value),
        ):
            difference = (high - low) / (2 * FINITE_DIFFERENCE_STEP)
            assert_close(name, slope[index], difference, FINITE_DIFFERENCE * size)


def test_relation_loss_by_hand() -> None:
    # Three labels: 0 and 1 together, 0 and 2 apart. p = (1/2, 3/4, 1/4).
    logits = np.log([[1.0, 3.0, 1 / 3]])
    relation = np.array([[1, 0.9, 0.1], [0.9, 1, np.nan], [0.1, np.nan, 1]])
    codes = spec.pair_codes(relation)
    assert codes.active == 4
    together, apart = (1 / 4) ** 2, (1 - (1 / 4) ** 2) ** 2
    value = 2 * (together + apart) / (2 * 9)
    assert_close("L_B", spec.relation_loss(logits, codes), [value], band(9, value))
    active = 2 * (together + apart) / (2 * 4)
    assert_close("L_B", spec.relation_loss(logits, codes, normalization="active_pairs"), [active], band(9, active))


def test_eq_1_by_hand() -> None:
    alike, opposite, constant = [[1, 1], [0, 0]], [[1, 0], [0, 1]], [[1, 1], [1, 0]]
    state = spec.initial_state(2)
    for targets in (alike, opposite, constant, alike):
        state = spec.update(state, targets, decay=0.5, measure="pearson")
    # The third batch leaves the pair undefined, so it is neither decayed nor added to.
    assert_exact("sum", state.relation_sum[0, 1], (1 * 0.5 - 1) * 0.5 + 1)
    assert_exact("weight", state.relation_weight[0, 1], (1 * 0.5 + 1) * 0.5 + 1)
    # The second label alone is not constant in it.
    assert_exact("weight on the diagonal", state.relation_weight[1, 1], ((1 * 0.5 + 1) * 0.5 + 1) * 0.5 + 1)
    assert_exact("relation", spec.relation(state)[0, 1], 0.75 / 1.75)


def test_a_pair_never_defined_is_neither() -> None:
    state = spec.update(spec.initial_state(2), [[1, 1], [1, 0]], measure="pearson")
    relation = spec.relation(state)
    assert np.isnan(relation[0, 1])
    assert spec.pair_codes(relation, positive_threshold=-2, negative_threshold=-3).active == 0


def test_one_way_pairs_count_once() -> None:
    codes = spec.pair_codes(np.array([[1.0, 0.9], [0.5, 1.0]]))
    assert codes.active == 1
    assert_exact("f_p", codes.positive, [[0, 1], [0, 0]])


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 1.5), ("sum", 3.0), ("none", np.array([1.0, 2.0]))])
def test_reductions(reduction: str, expected: Any) -> None:
    assert_exact(reduction, spec.reduce_samples(np.array([1.0, 2.0]), reduction), expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_an_empty_batch_costs_nothing(reduction: str) -> None:
    nothing: NDArray[np.float64] = np.zeros((0, 3))
    terms = spec.terms(nothing, nothing, codes=spec.pair_codes(np.zeros((3, 3))), reduction=reduction)
    assert_exact("total", np.sum(terms.total), 0.0)
    assert terms.gradient.shape == (0, 3)


@given(strategies.cases())
def test_the_specification_is_finite(case: Case) -> None:
    """Bounds of the comparison are finite too, so that no comparison passes because nothing is bounded."""
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        limit = bounds(case, batch, expected)
        for array in (expected.state.relation_sum, expected.terms.total, expected.terms.gradient):
            assert np.isfinite(array).all()
        for bound in (limit.total, limit.cross_entropy, limit.relation_loss, limit.gradient):
            assert np.isfinite(bound).all()
