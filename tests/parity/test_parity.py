"""Every implementation against the specification: value, gradient and state after every one of several batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from obrl import spec
from obrl.algebra import LossTerms
from tests.parity import degenerate, templates
from tests.parity.coverage import COVERAGE
from tests.parity.subjects import Framework, Outcome, State
from tests.parity.templates import Template
from tests.support import oracle, strategies, tolerances
from tests.support.cases import Batch, Case
from tests.support.compare import assert_loss_terms, assert_relation_loss, assert_state
from tests.support.oracle import Expected
from tests.support.profiles import examples
from tests.support.tolerances import assert_close, assert_exact

SCALARS: dict[str, Any] = {"reductions": ("mean", "sum")}
"""What to draw from where a loss is one number."""


MANY_EXAMPLES = 700
"""With at least this many examples, every kind of degenerate case must occur. Keras on JAX and interpreted kernels draw
fewer."""

LEAST_COMPILED = 200
"""Examples through a framework's compiler, under the default profile."""


def loss_dtype(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def expected_and_bounds(
    framework: Framework, case: Case, batch: Batch, state: spec.SpecState, outcome: Outcome, dtype: str
) -> tuple[Batch, Expected, tolerances.Bounds]:
    """The specification for the logits as rounded to their dtype, and how far off a result may be."""
    rounded = replace(batch, logits=outcome.logits)
    expected = oracle.evaluate(case, rounded, state, outcome.logits)
    if dtype == "float64":
        return rounded, expected, tolerances.bounds(case, rounded, expected)
    plain = framework.plain(case, rounded, expected.codes)
    bounds = tolerances.lower_bounds(case, rounded, expected, plain, computed="float32", returned=dtype)
    return rounded, expected, bounds


def drawn(framework: Framework, data: st.DataObject, **settings: Any) -> Case:
    """A case of shapes that suit the framework, counted."""
    case: Case = data.draw(
        strategies.cases(
            label_counts=framework.label_counts, sizes=framework.sizes, max_batches=framework.max_batches, **settings
        )
    )
    note(case.snippet(framework.package))
    COVERAGE.count("eager", case)
    return case


def written(framework: Framework, name: str) -> Case:
    """A degenerate case, counted."""
    case = degenerate.CASES[name]
    print(case.snippet(framework.package))
    COVERAGE.count("written", case)
    return case


def assert_dtypes(outcome: Outcome, dtype: str) -> None:
    assert outcome.value_dtype == loss_dtype(dtype)
    assert outcome.gradient_dtype == dtype


def check_joint_loss(
    framework: Framework,
    case: Case,
    impl: str,
    dtype: str,
    in_parts: Sequence[bool],
    given_batches: Sequence[Batch] | None = None,
) -> State:
    """Compare batch by batch, by the method that returns every term or by a call; returns the last state.

    The loss gets `given_batches` where they code the same as the case in another way.
    """
    assert framework.joint is not None
    criterion = framework.joint(case, impl, dtype)
    calls = zip(given_batches or case.batches, in_parts, strict=True)
    for batch, state, (coded, parts) in zip(case.batches, oracle.trajectory(case), calls, strict=True):
        outcome = criterion.terms(coded) if parts else criterion.call(coded)
        assert_dtypes(outcome, dtype)
        rounded, expected, bounds = expected_and_bounds(framework, case, batch, state, outcome, dtype)
        if parts:
            assert_loss_terms(case, rounded, expected, LossTerms(*outcome.values), outcome.gradient, bounds)
        else:
            assert_close("a call", outcome.values[0], expected.terms.total, bounds.total)
            assert_close("its gradient", outcome.gradient, expected.terms.gradient, bounds.gradient)
        assert_state(case, expected, criterion.state(), framework.state)
    return criterion.state()


@examples(80)
@given(data=st.data())
def test_joint_loss(framework: Framework, impl: str, dtype: str, data: st.DataObject) -> None:
    case = drawn(framework, data)
    in_parts = data.draw(st.tuples(*(st.booleans() for _ in case.batches)), label="in parts")
    check_joint_loss(framework, case, impl, dtype, in_parts)


@pytest.mark.parametrize("name", degenerate.CASES)
def test_joint_loss_of_degenerate_cases(framework: Framework, impl: str, dtype: str, name: str) -> None:
    """By both methods, which move the state alike to the bit."""
    case = written(framework, name)
    apart, called = (
        check_joint_loss(framework, case, impl, dtype, [in_parts] * len(case.batches)) for in_parts in (True, False)
    )
    assert_exact("the state", called.relation_sum, apart.relation_sum)


def check_relation_loss(framework: Framework, case: Case, impl: str, dtype: str) -> None:
    assert framework.relation_criterion is not None
    criterion = framework.relation_criterion(case, impl, dtype)
    for batch, state in zip(case.batches, oracle.trajectory(case), strict=True):
        outcome = criterion.call(batch)
        assert_dtypes(outcome, dtype)
        rounded, expected, bounds = expected_and_bounds(framework, case, batch, state, outcome, dtype)
        assert_relation_loss(case, rounded, expected, outcome.values[0], outcome.gradient, bounds)
        assert_state(case, expected, criterion.state(), framework.state)


@examples(30)
@given(data=st.data())
def test_relation_loss_with_state(framework: Framework, impl: str, dtype: str, data: st.DataObject) -> None:
    check_relation_loss(framework, drawn(framework, data), impl, dtype)


def check_stateless(framework: Framework, case: Case, impl: str, dtype: str) -> None:
    assert framework.stateless is not None
    for batch, state in zip(case.batches, oracle.trajectory(case), strict=True):
        unweighted = replace(batch, sample_weight=None)
        relation = spec.relation(state, measure=case.measure)
        outcome = framework.stateless(case, unweighted, relation, impl, dtype)
        assert_dtypes(outcome, dtype)
        rounded, expected, bounds = expected_and_bounds(framework, case, unweighted, state, outcome, dtype)
        assert_relation_loss(case, rounded, expected, outcome.values[0], outcome.gradient, bounds)


@examples(20)
@given(data=st.data())
def test_stateless_relation_loss(framework: Framework, impl: str, dtype: str, data: st.DataObject) -> None:
    check_stateless(framework, drawn(framework, data), impl, dtype)


@pytest.mark.parametrize("name", degenerate.CASES)
def test_relation_losses_of_degenerate_cases(framework: Framework, name: str) -> None:
    """In one dtype: the joint loss has them in every one."""
    for impl, dtypes in framework.eager.items():
        check_relation_loss(framework, written(framework, name), impl, dtypes[0])
        check_stateless(framework, written(framework, name), impl, dtypes[0])


@pytest.mark.parametrize("precision", ["float32", "float64"])
@given(data=st.data())
def test_relation(framework: Framework, precision: str, data: st.DataObject) -> None:
    assert framework.relation is not None
    case = drawn(framework, data)
    precision = max(precision, framework.state)  # no state is narrower than the framework's
    relation = framework.relation(case, precision)
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        if batch.moves:
            relation.update(batch)
        assert_state(case, expected, relation.state(), precision)


@examples(40)
@given(data=st.data())
def test_compiled(framework: Framework, template: Template, data: st.DataObject) -> None:
    case = data.draw(templates.cases(template))
    note(case.snippet(framework.package))
    COVERAGE.count("compiled", case)
    assert framework.compiled_joint is not None
    criterion = framework.compiled_joint(case, template.dtype)
    for batch, state in zip(case.batches, oracle.trajectory(case), strict=True):
        outcome = criterion.terms(batch)
        assert_dtypes(outcome, template.dtype)
        rounded, expected, bounds = expected_and_bounds(framework, case, batch, state, outcome, template.dtype)
        assert_loss_terms(case, rounded, expected, LossTerms(*outcome.values), outcome.gradient, bounds)
        assert_state(case, expected, criterion.state(), framework.state)


def check_endpoint(framework: Framework, case: Case, dtype: str, given_batches: Sequence[Batch] | None = None) -> None:
    """Compare batch by batch; the layer gets `given_batches` where they code the same in another way."""
    assert framework.endpoint is not None
    endpoint = framework.endpoint(case, dtype)
    for batch, coded, state in zip(case.batches, given_batches or case.batches, oracle.trajectory(case), strict=True):
        outcome = endpoint.call(coded)
        assert_dtypes(outcome, dtype)
        _, expected, bounds = expected_and_bounds(framework, case, batch, state, outcome, dtype)
        assert_close("L", outcome.values[0], expected.terms.total, bounds.total)
        assert_close("gradient", outcome.gradient, expected.terms.gradient, bounds.gradient)
        assert_state(case, expected, endpoint.state(), framework.state)


@examples(120)
@given(data=st.data())
def test_endpoint(framework: Framework, impl: str, dtype: str, data: st.DataObject) -> None:
    check_endpoint(framework, drawn(framework, data, **SCALARS), dtype)


@pytest.mark.parametrize("name", degenerate.CASES)
def test_endpoint_of_degenerate_cases(framework: Framework, impl: str, dtype: str, name: str) -> None:
    check_endpoint(framework, written(framework, name), dtype)


@examples(5)
@given(data=st.data())
def test_what_a_failure_prints_runs(framework: Framework, data: st.DataObject) -> None:
    case = drawn(framework, data, **({} if framework.endpoint is None else SCALARS))
    exec(compile(case.snippet(framework.package), "snippet", "exec"), {})


def test_the_degenerate_cases_were_run() -> None:
    """Last: everything before has been counted."""
    assert COVERAGE.missing("written") == []


def test_enough_was_drawn(framework: Framework) -> None:
    """Of examples in all, and, where these are many, of every kind; last, too."""
    if framework.least_examples >= MANY_EXAMPLES:
        assert COVERAGE.missing("eager") == []
    assert COVERAGE.examples["eager"] >= framework.least_examples
    if framework.compiled_joint is not None:
        assert COVERAGE.examples["compiled"] >= LEAST_COMPILED
