"""Exact tests against SciPy's hypergeometric distribution, and q-values against SciPy's."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import false_discovery_control, hypergeom

from obrl import PairCounts
from obrl.significance import benjamini_hochberg, benjamini_yekutieli, mid_p


def scipy_mid_p(counts: PairCounts) -> np.ndarray:
    n, s, r, c = counts
    null = hypergeom(n, r, c)
    lower, upper = null.cdf(s - 1) + null.pmf(s) / 2, null.sf(s) + null.pmf(s) / 2
    return np.clip(2 * np.minimum(lower, upper), 0, 1)


def drawn(rows: int, seed: int, *, related: bool = False) -> PairCounts:
    rng = np.random.default_rng(seed)
    n = rng.integers(1, rows, 500)
    r, c = rng.integers(0, n + 1), rng.integers(0, n + 1)
    s = rng.hypergeometric(r, n - r, c)
    if related:
        s = np.where(np.arange(500) % 2, np.minimum(r, c), np.maximum(0, r + c - n))
    return PairCounts(n, s, r, c)


@pytest.mark.parametrize("rows", [4, 60, 3_000, 1_000_000])
@pytest.mark.parametrize("related", [False, True])
def test_mid_p_is_scipys(rows: int, related: bool) -> None:
    counts = drawn(rows, seed=rows, related=related)
    expected = scipy_mid_p(counts)
    sure = expected > 1e-280  # smaller ones leave the range of float64
    p = mid_p(counts)
    assert np.allclose(p[sure], expected[sure], rtol=1e-8, atol=0)
    assert (p[~sure] <= 1e-270).all()


def test_mid_p_of_all_tables_with_these_margins_is_unbiased() -> None:
    """The mean of the one-sided mid-p under the null is exactly 1/2, so p rejects about as often as it says."""
    s = np.arange(0, 31)
    null = hypergeom(100, 30, 40)
    p = mid_p(PairCounts(100, s, 30, 40))
    rejected = null.pmf(s)[p <= 0.05].sum()
    assert 0.03 <= rejected <= 0.06


def test_mid_p_takes_shapes_that_broadcast_and_fractional_counts() -> None:
    whole = PairCounts(50, np.array([[8, 3], [3, 9]]), np.array([[8], [9]]), np.array([[8, 9]]))
    p = mid_p(whole)
    assert p.shape == (2, 2)
    assert p[0, 1] == p[1, 0]
    near = PairCounts(50.2, whole.s + 0.1, whole.r + 0.2, whole.c - 0.1)
    assert (mid_p(near) == p).all()


def test_a_constant_label_and_no_rows_say_nothing() -> None:
    assert mid_p(PairCounts(10, np.array([0, 4, 10]), np.array([0, 10, 10]), np.array([4, 4, 10]))).tolist() == [
        1,
        1,
        1,
    ]
    assert mid_p(PairCounts(np.zeros(1), 0, 0, 0)).tolist() == [1]
    assert mid_p(PairCounts(np.zeros(0), 0, 0, 0)).shape == (0,)


def test_contradictory_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="s <= r <= n"):
        mid_p(PairCounts(10, 5, 4, 6))


def test_half_a_million_pairs_take_seconds() -> None:
    rng = np.random.default_rng(0)
    rates = np.exp(rng.uniform(np.log(0.001), np.log(0.3), 983))
    ones = rng.binomial(16_105, rates)
    i, j = np.triu_indices(983, 1)
    s = rng.hypergeometric(ones[i], 16_105 - ones[i], ones[j])
    start = time.perf_counter()
    p = mid_p(PairCounts(16_105, s, ones[i], ones[j]))
    assert time.perf_counter() - start < 10  # .3 s on an idle core
    assert 0.03 <= np.mean(p <= 0.05) <= 0.05  # tests of rare labels seldom reach exactly .05


@pytest.mark.parametrize(("ours", "method"), [(benjamini_hochberg, "bh"), (benjamini_yekutieli, "by")])
@pytest.mark.parametrize("tests", [1, 2, 500])
def test_q_values_are_scipys(ours: object, method: str, tests: int) -> None:
    p = np.random.default_rng(tests).random(tests) ** 3
    p[: tests // 3] = p[-1]  # ties
    assert np.allclose(ours(p), false_discovery_control(p, method=method), rtol=1e-12, atol=0)  # type: ignore[operator]


def test_what_was_not_tested_has_no_q() -> None:
    q = benjamini_hochberg([[0.01, np.nan], [np.nan, 0.04]])
    assert q.tolist()[0][0] == 0.02
    assert np.isnan(q).sum() == 2
    assert benjamini_yekutieli([]).shape == (0,)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_p_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\]"):
        benjamini_hochberg([0.5, value])
