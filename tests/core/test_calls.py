"""Calls of the NumPy losses: which pairs they act on, that they write to no argument, and which dtypes they return."""

import numpy as np
import pytest
from hypothesis import given, note

from obrl import OBRLoss
from tests.parity.numpy_subjects import arguments
from tests.support import oracle, strategies
from tests.support.cases import Case
from tests.support.tolerances import assert_exact


@given(strategies.cases())
def test_pairs_are_those_of_the_specification(case: Case) -> None:
    note(case.snippet())
    criterion = OBRLoss(case.num_labels, **case.arguments)
    for batch, expected in zip(case.batches, oracle.run(case), strict=True):
        criterion(**arguments(batch))
        codes = expected.codes
        pairs = {(pair.i, pair.j, pair.sign) for pair in criterion.pairs()}
        expected_pairs = {(int(i), int(j), 1) for i, j in np.argwhere(codes.positive)}
        expected_pairs |= {(int(i), int(j), -1) for i, j in np.argwhere(codes.negative)}
        if case.measure != "conditional":
            expected_pairs = {(i, j, sign) for i, j, sign in expected_pairs if i < j}
        assert pairs == expected_pairs


@given(strategies.cases(max_batches=2))
def test_nothing_is_written_to(case: Case) -> None:
    criterion = OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        arrays = {name: value for name, value in arguments(batch).items() if isinstance(value, np.ndarray)}
        copies = {name: value.copy() for name, value in arrays.items()}
        for value in arrays.values():
            value.flags.writeable = False
        criterion.value_and_grad(**{**arguments(batch), **arrays})
        for name, value in arrays.items():
            np.testing.assert_array_equal(value, copies[name])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(case=strategies.cases(max_batches=2))
def test_gradient_has_the_dtype_of_the_logits(case: Case, dtype: str) -> None:
    criterion, double = OBRLoss(case.num_labels, **case.arguments), OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        floats = {"logits": batch.logits, "sample_weight": batch.sample_weight}
        rounded = {name: value.astype(dtype) for name, value in floats.items() if value is not None}
        terms, gradient = criterion.value_and_grad(**{**arguments(batch), **rounded})
        exact, slope = double.value_and_grad(**{**arguments(batch), "logits": rounded["logits"].astype(np.float64)})
        assert gradient.dtype == np.dtype(dtype)
        assert_exact("total", terms.total, exact.total)
        assert_exact("gradient", gradient, slope.astype(dtype))
