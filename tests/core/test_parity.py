"""The NumPy losses and relation against the specification: value, gradient and state after every batch."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, note

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from tests.support import oracle, strategies
from tests.support.cases import Batch, Case, laid_out
from tests.support.compare import assert_loss_terms, assert_relation_loss, assert_same_state, assert_state
from tests.support.profiles import examples
from tests.support.tolerances import assert_exact


def arguments(batch: Batch) -> dict[str, object]:
    return {
        "logits": laid_out(batch.logits, batch.layout),
        "targets": laid_out(batch.targets, batch.layout),
        "observed": None if batch.observed is None else laid_out(batch.observed, batch.layout),
        "sample_weight": batch.sample_weight,
        "update": batch.update,
    }


@examples(400)
@given(strategies.cases())
def test_joint_loss(case: Case) -> None:
    note(case.snippet())
    criterion, twin = OBRLoss(case.num_labels, **case.arguments), OBRLoss(case.num_labels, **case.arguments)
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        terms, gradient = criterion.value_and_grad(**arguments(batch))
        assert_loss_terms(case, batch, expected, terms, gradient)
        assert_state(case, expected, criterion)
        assert_exact("a plain call", twin(**arguments(batch)), terms.total)
    assert_same_state(criterion, twin)


@examples(200)
@given(strategies.cases())
def test_relation_loss_with_state(case: Case) -> None:
    note(case.snippet())
    criterion = RelationLoss(case.num_labels, **case.relation_arguments)
    twin = RelationLoss(case.num_labels, **case.relation_arguments)
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        value, gradient = criterion.value_and_grad(**arguments(batch))
        assert_relation_loss(case, batch, expected, value, gradient)
        assert_state(case, expected, criterion)
        assert_exact("a plain call", twin(**arguments(batch)), value)


@given(strategies.cases())
def test_stateless_relation_loss(case: Case) -> None:
    note(case.snippet())
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        plain = replace(batch, sample_weight=None)
        under = oracle.evaluate(case, plain, expected.state, batch.logits)
        value = relation_loss(
            laid_out(batch.logits, batch.layout),
            expected.relation,
            **case.thresholds,
            normalization=case.normalization,
            reduction=case.reduction,
        )
        assert_relation_loss(case, plain, under, value, None)


@given(strategies.cases())
def test_relation(case: Case) -> None:
    note(case.snippet())
    relation = OnlineBatchRelation(case.num_labels, **case.accumulation)
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        if batch.moves:
            returned = relation.update(laid_out(batch.targets, batch.layout), observed=arguments(batch)["observed"])
            assert returned is relation
        assert_state(case, expected, relation)


@given(strategies.cases())
def test_pairs_are_those_of_the_specification(case: Case) -> None:
    note(case.snippet())
    criterion = OBRLoss(case.num_labels, **case.arguments)
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        criterion(**arguments(batch))
        codes = expected.codes
        found = {(pair.i, pair.j, pair.sign) for pair in criterion.pairs()}
        wanted = {(int(i), int(j), 1) for i, j in np.argwhere(codes.positive)}
        wanted |= {(int(i), int(j), -1) for i, j in np.argwhere(codes.negative)}
        if case.measure != "conditional":
            wanted = {(i, j, sign) for i, j, sign in wanted if i < j}
        assert found == wanted


@given(strategies.cases(max_batches=2))
def test_nothing_is_written_to(case: Case) -> None:
    criterion = OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        given_arrays = {name: value for name, value in arguments(batch).items() if isinstance(value, np.ndarray)}
        copies = {name: value.copy() for name, value in given_arrays.items()}
        for value in given_arrays.values():
            value.flags.writeable = False
        criterion.value_and_grad(**{**arguments(batch), **given_arrays})
        for name, value in given_arrays.items():
            np.testing.assert_array_equal(value, copies[name])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(case=strategies.cases(max_batches=2))
def test_gradient_has_the_dtype_of_the_logits(case: Case, dtype: str) -> None:
    criterion, double = OBRLoss(case.num_labels, **case.arguments), OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        rounded = batch.logits.astype(dtype)
        terms, gradient = criterion.value_and_grad(**{**arguments(batch), "logits": rounded})
        exact, slope = double.value_and_grad(**{**arguments(batch), "logits": rounded.astype(np.float64)})
        assert gradient.dtype == np.dtype(dtype)
        assert_exact("total", terms.total, exact.total)
        assert_exact("gradient", gradient, slope.astype(dtype))
