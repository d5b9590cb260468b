"""Exact tests of whether two labels are related, and what to do when there are many pairs."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts

FloatArray = npt.NDArray[np.float64]

RELATED_Q = 0.05
"""Pairs with this q, the share of false discoveries, or a smaller one are called related."""
FEWEST_JOINT = 5
"""Pairs that occur together in fewer rows, or by chance alone would, are not called related, whatever their q."""

_PAIRS_AT_ONCE = 8192  # some ten arrays of this length fit the second cache of a core
_NEGLIGIBLE = 1e-14
_TABLE = np.array([math.lgamma(k + 1) for k in range(256)])


def mid_p(counts: PairCounts) -> FloatArray:
    """Fisher's exact test of each pair, with the mid-p correction and two sides.

    With the margins held, the number of joint occurrences of two unrelated labels is hypergeometric. p is twice the
    smaller of P(S < s) + P(S = s) / 2 and P(S > s) + P(S = s) / 2. It holds for rare labels, where chi-square invents
    relations.

    Args:
        counts: of pairs, of any shapes that broadcast; whole numbers. Fractional ones are rounded, cell by cell.

    Returns:
        p, float64 in [0, 1], with a relative error of some 1e-9 at n = 10^6; 1 for a label that is constant.

    Raises:
        ValueError: counts that contradict each other, so that a cell of a table is below 0.

    Example:
        >>> print(f"{mid_p(PairCounts(n=20, s=4, r=5, c=6)):.4f}")
        0.0143

    Source: Lancaster, Significance tests in discrete distributions, JASA 1961 (the mid-p).
    """
    n, s, r, c = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in counts))
    cells = [np.rint(cell).ravel() for cell in (s, r - s, c - s, n - r - c + s)]
    if any(cell.size and cell.min() < 0 for cell in cells):
        raise ValueError("expected counts with s <= r <= n, s <= c <= n and r + c - s <= n, got others")
    both, only_i, only_j, neither = cells
    # Towards the far side of the mean terms fall; exchanging the columns of a table makes a lower tail an upper one.
    together = both * neither >= only_i * only_j
    rising = np.where(together, both, only_i), np.where(together, neither, only_j)
    falling = np.where(together, only_i, both), np.where(together, only_j, neither)
    p = np.empty(both.size)
    for start in range(0, both.size, _PAIRS_AT_ONCE):
        block = slice(start, start + _PAIRS_AT_ONCE)
        p[block] = _tail(rising[0][block], rising[1][block], falling[0][block], falling[1][block])
    return np.asarray(2 * np.minimum(p, 1 - p)).clip(0, 1).reshape(n.shape)


def _tail(rise_a: FloatArray, rise_b: FloatArray, fall_a: FloatArray, fall_b: FloatArray) -> FloatArray:
    """P(S = s) / 2 plus all terms beyond, by the ratio of each term to the one before."""
    term = np.exp(_log_probability(rise_a, rise_b, fall_a, fall_b))
    total = term / 2
    at = np.arange(len(term))
    sums = total
    while True:
        term = term * (fall_a * fall_b / ((rise_a + 1) * (rise_b + 1)))
        sums = sums + term
        rise_a, rise_b, fall_a, fall_b = rise_a + 1, rise_b + 1, fall_a - 1, fall_b - 1
        running = term > _NEGLIGIBLE * sums
        remaining = np.count_nonzero(running)
        if remaining > 0.8 * len(running):
            continue
        total[at] = sums
        if not remaining:
            return total
        at, term, sums = at[running], term[running], sums[running]
        rise_a, rise_b, fall_a, fall_b = rise_a[running], rise_b[running], fall_a[running], fall_b[running]


def _log_probability(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> FloatArray:
    """The logarithm of the hypergeometric probability of tables whose diagonals are (a, b) and (c, d)."""
    margins = [_log_factorial(margin) for margin in (a + c, a + d, b + c, b + d)]
    inside = [_log_factorial(cell) for cell in (a, b, c, d, a + b + c + d)]
    return np.asarray(sum(margins) - sum(inside))


def _log_factorial(k: FloatArray) -> FloatArray:
    """The logarithm of k!, for whole numbers from 0."""
    x = np.maximum(k, len(_TABLE) - 1)
    square = x * x
    stirling = (x + 0.5) * np.log(x) - x + math.log(2 * math.pi) / 2
    stirling += (1 / 12 - (1 / 360 - 1 / (1260 * square)) / square) / x
    return np.where(k < len(_TABLE), _TABLE[np.minimum(k, len(_TABLE) - 1).astype(np.intp)], stirling)


def benjamini_hochberg(p: npt.ArrayLike) -> FloatArray:
    """q-values: the share of false discoveries among all results with a p at most as large, at worst.

    Args:
        p: of any shape, in [0, 1]; NaN is no test.

    Returns:
        q of the same shape, NaN where p is.

    Raises:
        ValueError: a p outside [0, 1].

    Example:
        >>> benjamini_hochberg([0.01, 0.5, 0.02])
        array([0.03, 0.5 , 0.03])

    Source: Benjamini and Hochberg, Controlling the false discovery rate, JRSS B 1995; independent or positively
    dependent tests.
    """
    values = np.asarray(p, np.float64)
    tested = ~np.isnan(values)
    tests = values[tested]
    if tests.size and not (tests.min() >= 0 and tests.max() <= 1):
        raise ValueError(f"p must lie in [0, 1], got values from {tests.min():g} to {tests.max():g}")
    order = np.argsort(tests, kind="stable")
    scaled = tests[order] * (len(tests) / np.arange(1, len(tests) + 1))
    ranked = np.empty_like(tests)
    ranked[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    q = np.full(values.shape, np.nan)
    q[tested] = ranked.clip(0, 1)
    return q


def benjamini_yekutieli(p: npt.ArrayLike) -> FloatArray:
    """q-values that hold however the tests depend on each other: those of Benjamini-Hochberg times 1 + 1/2 + ... + 1/m.

    Args:
        p: of any shape, in [0, 1]; NaN is no test.

    Returns:
        q of the same shape, NaN where p is.

    Raises:
        ValueError: a p outside [0, 1].

    Example:
        >>> benjamini_yekutieli([0.01, 0.5, 0.02]).round(3)
        array([0.055, 0.917, 0.055])

    Source: Benjamini and Yekutieli, The control of the false discovery rate under dependency, Ann. Statist. 2001.
    """
    values = np.asarray(p, np.float64)
    tests = np.count_nonzero(~np.isnan(values))
    return np.minimum(benjamini_hochberg(values) * np.sum(1 / np.arange(1, tests + 1)), 1)
