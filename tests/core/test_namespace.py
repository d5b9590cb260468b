"""The pure functions need nothing but the namespace, and the algebra holds for any pair weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from obrl import algebra
from obrl.namespace import NUMPY, Namespace
from obrl.problem import Problem, evaluate
from tests.support import strategies
from tests.support.cases import Case
from tests.support.fake_array import STRICT, FakeArray, StrictNamespace, fake, values_of
from tests.support.profiles import examples
from tests.support.pure import check, iterate_weights
from tests.support.tolerances import assert_close, band


@examples(150)
@given(strategies.cases())
def test_a_strict_fake_array(case: Case) -> None:
    note(case.snippet())
    check(case, STRICT, fake, values_of)


@given(strategies.cases())
def test_numpy(case: Case) -> None:
    note(case.snippet())
    check(case, NUMPY, np.asarray, np.asarray)


@pytest.mark.parametrize(
    "use",
    [
        lambda a: a.T,
        lambda a: a.shape,
        lambda a: a.dtype,
        lambda a: a.sum(),
        lambda a: a[0],
        lambda a: a @ a,
        lambda a: a**2,
        lambda a: len(a),
        lambda a: float(a),
        lambda a: bool(a),
        lambda a: list(a),
        lambda a: abs(a),
        lambda a: a + np.ones(2),
        lambda a: np.ones(2) + a,
        lambda a: a + np.float64(1),
        lambda a: np.sqrt(a),
        lambda a: STRICT.sqrt(np.ones(2)),
        lambda a: STRICT.where(a > 0, 1.0, 0.0),
        lambda a: STRICT.where(a, a, a),
        lambda a: STRICT.matmul(a, a > 0),
        lambda a: a / (a - a),
    ],
)
def test_the_fake_array_refuses(use: Callable[[FakeArray], Any]) -> None:
    with pytest.raises((TypeError, AttributeError, FloatingPointError)):
        use(fake(np.ones((2, 2))))


def test_the_strict_namespace_offers_what_the_protocol_lists() -> None:
    def functions(of: type) -> set[str]:
        return {name for name in vars(of) if not name.startswith("_")}

    assert functions(StrictNamespace) == functions(Namespace)


def test_the_fake_array_computes() -> None:
    two = fake(np.full((2, 2), 2.0))
    result = 1 - (two * 3 + two / 4 - -two) * two
    assert (values_of(result) == 1 - (6 + 0.5 + 2) * 2).all()
    assert (values_of(~(two > 1) | (two <= 2) & (two >= 2)) == True).all()  # noqa: E712


@given(st.integers(1, 7), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_any_non_negative_pair_weights(num_labels: int, rows: int, seed: int) -> None:
    """Eq. 2 written out, for weights in place of f_p and f_n."""
    logits = np.random.default_rng(seed).normal(0, 3, (rows, num_labels))
    p = 1 / (1 + np.exp(-logits))
    square = (p[:, :, None] - p[:, None, :]) ** 2
    for positive, negative in iterate_weights(num_labels, seed):
        pairs = algebra.pair_laplacians(
            NUMPY,
            positive,
            negative,
            num_labels=num_labels,
            symmetric=False,
            normalization="all_pairs",
            like=logits,
        )
        problem = Problem(None, None, None, None, pairs, 1.0, "none", rows)
        (value,), (slope,) = evaluate(NUMPY, logits, problem, gradient="total")
        wanted = (positive * square + negative * (1 - square) ** 2).sum(axis=(1, 2)) / (2 * num_labels**2)
        bound = band(num_labels**2, (positive + negative).sum() / num_labels**2)
        assert_close("L_B", value, wanted, bound)
        d = p[:, :, None] - p[:, None, :]
        by_pair = positive * 2 * d - negative * 4 * (1 - d**2) * d
        by_probability = (by_pair.sum(axis=2) - by_pair.sum(axis=1)) / (2 * num_labels**2)
        assert_close("gradient", slope, by_probability * p * (1 - p), 4 * bound)
