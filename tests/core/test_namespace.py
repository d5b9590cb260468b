"""The pure functions need nothing but the namespace."""

import numpy as np
import pytest
from hypothesis import given, note

from obrl.namespace import Namespace
from tests.support import strategies
from tests.support.cases import Case
from tests.support.fake_array import STRICT, StrictNamespace, fake, values_of
from tests.support.profiles import examples
from tests.support.pure import check


@examples(150)
@given(strategies.cases())
def test_a_strict_fake_array(case: Case) -> None:
    note(case.snippet())
    check(case, STRICT, fake, values_of)


REFUSED = """
a.T; a.shape; a.dtype; a.sum(); a[0]; a @ a; a**2; len(a); float(a); bool(a); list(a); abs(a); a + np.ones(2);
np.ones(2) + a; a + np.float64(1); np.sqrt(a); STRICT.sqrt(np.ones(2)); STRICT.where(a > 0, 1.0, 0.0);
STRICT.where(a, a, a); STRICT.matmul(a, a > 0); a / (a - a)
"""


@pytest.mark.parametrize("expression", [expression.strip() for expression in REFUSED.split(";")])
def test_the_fake_array_refuses(expression: str) -> None:
    with pytest.raises((TypeError, AttributeError, FloatingPointError)):
        eval(expression, {"a": fake(np.ones((2, 2))), "np": np, "STRICT": STRICT})


def test_the_strict_namespace_offers_what_the_protocol_lists() -> None:
    def functions(of: type) -> set[str]:
        return {name for name in vars(of) if not name.startswith("_")}

    assert functions(StrictNamespace) == functions(Namespace)


def test_the_fake_array_computes() -> None:
    two = fake(np.full((2, 2), 2.0))
    result = 1 - (two * 3 + two / 4 - -two) * two
    assert (values_of(result) == 1 - (6 + 0.5 + 2) * 2).all()
    assert (values_of(~(two > 1) | (two <= 2) & (two >= 2)) == True).all()  # noqa: E712
