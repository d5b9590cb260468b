"""Comparing results of torch within what rounding may do."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tests.support.tolerances import assert_close, band


def assert_rounded(name: str, got: Tensor, expected: Tensor, *, terms: int) -> None:
    """Raise AssertionError unless both are the same sums of ``terms`` terms, rounded differently.

    Args:
        name: What is compared.
        got: The result.
        expected: What it should be; its largest magnitude and its precision decide the bound.
        terms: How many terms were added up to make one entry.
    """
    assert got.dtype == expected.dtype, f"{name}: expected {expected.dtype}, got {got.dtype}"
    want = expected.detach().numpy()
    magnitude = np.abs(want).max(initial=1.0)
    precision = str(expected.dtype).removeprefix("torch.")
    assert_close(name, got.detach().numpy(), want, band(terms, magnitude, precision))
