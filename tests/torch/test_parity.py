"""Every dtype and implementation against the specification: value, gradient and state after every batch."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, note

import obrl
from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from tests.support import oracle, strategies
from tests.support.cases import Case
from tests.support.compare import assert_loss_terms, assert_relation_loss, assert_state
from tests.support.profiles import examples
from tests.support.tolerances import assert_close, assert_exact
from tests.torch.tensors import DTYPES, arguments, as_given, expected_and_bounds, holder, values

EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())
EVERY_IMPL = pytest.mark.parametrize("impl", ["auto", "plain"])


def loss_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


@EVERY_DTYPE
@EVERY_IMPL
@examples(80)
@given(case=strategies.cases())
def test_joint_loss(case: Case, dtype: torch.dtype, impl: str) -> None:
    note(case.snippet("obrl.torch"))
    criterion = OBRLoss(case.num_labels, **case.arguments, impl=impl)
    twin = OBRLoss(case.num_labels, **case.arguments, impl=impl)
    for batch, state in zip(case.batches, oracle.trajectory(case), strict=True):
        given_arguments = arguments(batch, dtype)
        terms = criterion.terms(**given_arguments)
        assert {term.dtype for term in terms} == {loss_dtype(dtype)}
        (gradient,) = torch.autograd.grad(terms.total.sum(), given_arguments["logits"])
        assert gradient.dtype == dtype
        rounded = as_given(batch, given_arguments["logits"])
        expected, bounds = expected_and_bounds(case, rounded, state, dtype)
        found = type(terms)(*(values(term) for term in terms))
        assert_loss_terms(case, rounded, expected, found, values(gradient), bounds)
        assert_state(case, expected, holder(criterion), "float32")
        again = arguments(batch, dtype)
        total = twin(**again)
        total.sum().backward()
        assert_exact("a plain call", values(total), values(terms.total))
        assert_close("its gradient", values(again["logits"].grad), expected.terms.gradient, bounds.gradient)
        assert_exact("its state", values(twin.relation_sum), values(criterion.relation_sum))


@EVERY_DTYPE
@EVERY_IMPL
@examples(30)
@given(case=strategies.cases())
def test_relation_loss_with_state(case: Case, dtype: torch.dtype, impl: str) -> None:
    note(case.snippet("obrl.torch"))
    criterion = RelationLoss(case.num_labels, **case.relation_arguments, impl=impl)
    for batch, state in zip(case.batches, oracle.trajectory(case), strict=True):
        given_arguments = arguments(batch, dtype)
        value = criterion(**given_arguments)
        assert value.dtype == loss_dtype(dtype)
        (gradient,) = torch.autograd.grad(value.sum(), given_arguments["logits"])
        rounded = as_given(batch, given_arguments["logits"])
        expected, bounds = expected_and_bounds(case, rounded, state, dtype)
        assert_relation_loss(case, rounded, expected, values(value), values(gradient), bounds)
        assert_state(case, expected, holder(criterion), "float32")


@EVERY_DTYPE
@EVERY_IMPL
@examples(20)
@given(case=strategies.cases())
def test_stateless_relation_loss(case: Case, dtype: torch.dtype, impl: str) -> None:
    note(case.snippet("obrl.torch"))
    for batch, state in zip(case.batches, oracle.trajectory(case), strict=True):
        unweighted = replace(batch, sample_weight=None)
        logits = arguments(unweighted, dtype)["logits"]
        rounded = as_given(unweighted, logits)
        expected, bounds = expected_and_bounds(case, rounded, state, dtype)
        value = relation_loss(
            logits,
            torch.from_numpy(expected.relation),
            **case.thresholds,
            normalization=case.normalization,
            reduction=case.reduction,
            impl=impl,
        )
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        assert_relation_loss(case, rounded, expected, values(value), values(gradient), bounds)


@pytest.mark.parametrize("wide", [False, True])
@given(case=strategies.cases())
def test_relation(case: Case, wide: bool) -> None:
    note(case.snippet("obrl.torch"))
    relation = OnlineBatchRelation(case.num_labels, **case.accumulation)
    relation = relation.double() if wide else relation
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        given_arguments = arguments(batch, torch.float32)
        if batch.moves:
            returned = relation.update(given_arguments["targets"], given_arguments.get("observed"))
            assert returned is relation
        assert_state(case, expected, holder(relation), "float64" if wide else "float32")


@examples(50)
@given(case=strategies.cases())
def test_pairs_are_numpys(case: Case) -> None:
    criterion = OBRLoss(case.num_labels, **case.arguments)
    numpy = obrl.OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        criterion(**arguments(batch, torch.float32))
        numpy(batch.logits, batch.targets, batch.observed, update=batch.update)
        assert [pair[:3] for pair in sorted(criterion.pairs())] == [pair[:3] for pair in sorted(numpy.pairs())]
    assert repr(criterion) == repr(numpy)
