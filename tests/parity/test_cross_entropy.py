"""A function in place of Eq. 4, and `ignore_index`, in every framework and implementation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obrl import spec
from obrl.errors import REDUCTIONS
from tests.parity.subjects import Endpoint, Framework, Outcome
from tests.parity.test_parity import check_endpoint, check_joint_loss, drawn
from tests.support import oracle
from tests.support.cases import Batch, Case
from tests.support.other_losses import PRINTED, derivative
from tests.support.profiles import examples
from tests.support.tolerances import FINITE_DIFFERENCE, assert_close, assert_exact, band

_RANDOM = np.random.default_rng(0)
_LABELS = _RANDOM.integers(0, 2, (6, 4)).astype(np.float64)
_LABELS[:, 1], _LABELS[:, 2] = _LABELS[:, 0], 1 - _LABELS[:, 0]
_OBSERVED = np.arange(24).reshape(6, 4) % 7 != 3
_BATCH = Batch(
    logits=_RANDOM.integers(-32, 32, (6, 4)) / 8,
    targets=np.where(np.arange(24).reshape(6, 4) % 11 == 5, np.nan, _LABELS),
    observed=_OBSERVED,
    sample_weight=np.array([1, 0, 0.5, 2, 1, 1]),
)
_CASE = Case(4, (_BATCH,), alpha=40.0, positive_threshold=0.83, negative_threshold=0.17)


def subject(framework: Framework, case: Case, impl: str, dtype: str) -> Endpoint:
    """A loss of the framework, or its layer."""
    if framework.joint is not None:
        return framework.joint(case, impl, dtype)
    assert framework.endpoint is not None
    return framework.endpoint(case, dtype)


def check_against_the_specification(
    framework: Framework, case: Case, impl: str, dtype: str, given_batches: tuple[Batch, ...] | None = None
) -> None:
    """Compare every batch with the specification; the loss gets `given_batches` where they are coded otherwise."""
    if framework.joint is None:
        check_endpoint(framework, case, dtype, given_batches)
    else:
        check_joint_loss(framework, case, impl, dtype, [True] * len(case.batches), given_batches)


def scalars_of(framework: Framework) -> dict[str, Any]:
    """What to draw from: a layer adds one number."""
    return {} if framework.endpoint is None else {"reductions": ("mean", "sum")}


@examples(5)
@given(data=st.data())
def test_cross_entropy_as_a_function_is_eq_4(framework: Framework, impl: str, dtype: str, data: st.DataObject) -> None:
    """Value, gradient and state, with masks, soft targets, weights and each reduction."""
    case = drawn(framework, data, **scalars_of(framework))
    case = replace(case, pos_weight=None, cross_entropy=framework.functions["bce"])
    check_against_the_specification(framework, case, impl, dtype)


@pytest.mark.parametrize("name", PRINTED)
def test_losses_of_the_literature(framework: Framework, name: str) -> None:
    for reduction in scalars_of(framework).get("reductions", REDUCTIONS):
        case = replace(_CASE, reduction=reduction, cross_entropy=framework.functions[name])
        total, gradient = printed_total(case, name)
        for impl, dtypes in framework.eager.items():
            for dtype in {"float64", "float32"} & set(dtypes):
                outcome = subject(framework, case, impl, dtype).call(_BATCH)
                allowed = band(99, 99.0, dtype) + FINITE_DIFFERENCE
                assert_close("L", outcome.values[0], total, allowed)
                assert_close("gradient", outcome.gradient, gradient, allowed)


def printed_total(case: Case, name: str) -> tuple[Any, Any]:
    """L = L_E + alpha L_B and its gradient, with the oracle's L_B and the printed formula of L_E."""
    (expected,), known = oracle.run(case), ~np.isnan(_BATCH.targets) & _OBSERVED
    y, weight = np.where(known, _LABELS, 0), _BATCH.sample_weight
    assert weight is not None
    losses = np.where(known, PRINTED[name](_BATCH.logits, y), 0)
    slopes = np.where(known, derivative(PRINTED[name], _BATCH.logits, y), 0)
    share = 1 / len(weight) if case.reduction == "mean" else 1.0
    entropy = spec.reduce_samples(weight * losses.sum(axis=1), case.reduction)
    return (
        entropy + case.alpha * expected.relation_value,
        share * weight[:, None] * slopes + case.alpha * expected.relation_gradient,
    )


def results(framework: Framework, case: Case, impl: str) -> tuple[Outcome, Any]:
    """The outcome of a case's only batch in the first dtype, and the state after it."""
    loss = subject(framework, case, impl, framework.eager[impl][0])
    return loss.call(case.batches[0]), loss.state()


def test_the_function_is_masked(framework: Framework) -> None:
    """Where a target is missing the function is infinite, with an infinite derivative: neither gets through."""
    known = _LABELS == 1
    batch = replace(_BATCH, targets=_LABELS, observed=known)
    for impl in framework.eager:
        case = replace(_CASE, batches=(batch,), cross_entropy=framework.functions["infinite at zero"])
        infinite, _ = results(framework, case, impl)
        expected, _ = results(framework, replace(case, cross_entropy=framework.functions["bce"]), impl)
        allowed = band(99, 99.0, "float32") + FINITE_DIFFERENCE
        assert_close("L", infinite.values[0], expected.values[0], allowed)
        assert_close("gradient", infinite.gradient, expected.gradient, allowed)


def test_label_smoothing_leaves_the_relation_as_it_is(framework: Framework) -> None:
    smoothed = replace(_CASE, batches=(replace(_BATCH, targets=_BATCH.targets * 0.6 + 0.2),))
    for impl in framework.eager:
        _, hard = results(framework, _CASE, impl)
        check_against_the_specification(framework, smoothed, impl, framework.eager[impl][0])
        _, soft = results(framework, smoothed, impl)
        assert_exact("the relation", soft.relation_sum, hard.relation_sum)


def test_a_result_that_is_reduced_moves_nothing(framework: Framework) -> None:
    for impl in framework.eager:
        loss = subject(framework, replace(_CASE, cross_entropy=framework.functions["mean"]), impl, "float32")
        with pytest.raises(ValueError, match=r"losses of shape \(batch, num_labels\) = \(6, 4\), .* got \(\)"):
            loss.call(_BATCH)
        assert not loss.state().relation_weight.any()


@examples(5)
@given(data=st.data())
def test_an_ignored_number_is_a_missing_target(
    framework: Framework, impl: str, dtype: str, data: st.DataObject
) -> None:
    """Coded as 255, alone or beside `observed`: value, gradient and state are those of the specification."""
    case = drawn(framework, data, **scalars_of(framework))
    batches, coded = zip(*map(with_marks, case.batches), strict=True)
    case = replace(case, batches=batches, ignore_index=255)
    check_against_the_specification(framework, case, impl, dtype, coded)


def with_marks(batch: Batch) -> tuple[Batch, Batch]:
    """A batch of 0 and 1 with `observed`; and the same with 255 where every other missing target is, or all are."""
    targets = batch.targets.astype(np.float64)
    known = ~np.isnan(targets) & (True if batch.observed is None else batch.observed)
    hard = np.where(known, targets >= 0.5, 0).astype(np.uint8)
    marked = ~known & (np.arange(known.size).reshape(known.shape) % 2 == 0)
    mask = known | marked
    coded = replace(batch, targets=np.where(marked, 255, hard).astype(np.uint8), observed=None if mask.all() else mask)
    return replace(batch, targets=hard, observed=known), coded


def refused(framework: Framework, impl: str, targets: Any, error: type[Exception], message: str, **change: Any) -> None:
    """A call raises this error and moves nothing."""
    batch = Batch(logits=np.zeros(targets.shape), targets=targets, **change)
    loss = subject(framework, Case(targets.shape[1], (batch,), ignore_index=-1), impl, "float32")
    with pytest.raises(error, match=message):
        loss.call(batch)
    assert not loss.state().relation_weight.any()


_SIGNS = np.where(np.arange(80).reshape(20, 4) % 2, 1, -1)


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (np.ones((2, 4), np.float32), TypeError, "targets must be integers .* got .*float32.* NaN .* or observed="),
        (np.ones((2, 4), bool), TypeError, "targets must be integers .* got .*bool"),
        (np.ones((2, 4), np.uint8), ValueError, "from 0 to 255 in .*uint8, got -1"),
        (_SIGNS.astype(np.int8), ValueError, r"40 times -1, 40 times 1 and no 0.*\(targets \+ 1\) // 2.*observed="),
        (np.full((2, 4), 2, np.int32), ValueError, r"must lie in \[0, 1\].*ignore_index=2 of the loss"),
    ],
)
def test_targets_that_are_refused_with_ignore_index(
    framework: Framework, targets: Any, error: type[Exception], message: str
) -> None:
    for impl in framework.eager:
        refused(framework, impl, targets, error, message)


@pytest.mark.parametrize(
    ("targets", "observed"),
    [
        (_SIGNS[:15], None),  # 30 are known
        (np.where(np.arange(80).reshape(20, 4) == 5, 0, _SIGNS), None),  # a 0 among them
        (np.ones((20, 4), np.int64), None),  # nothing is marked
        (_SIGNS, _SIGNS == 1),  # the caller says which are missing
    ],
)
def test_targets_that_can_be_read_one_way_only(framework: Framework, targets: Any, observed: Any) -> None:
    batch = Batch(logits=np.zeros(targets.shape), targets=targets.astype(np.int32), observed=observed)
    case = Case(4, (batch,), ignore_index=-1)
    for impl in framework.eager:
        coded, state = results(framework, case, impl)
        known = targets != -1
        plain = replace(batch, targets=np.where(known, targets, 0).astype(np.int32), observed=known)
        expected, same = results(framework, replace(case, batches=(plain,), ignore_index=None), impl)
        assert_exact("L", coded.values[0], expected.values[0])
        assert_exact("the relation", state.relation_sum, same.relation_sum)
