"""Student's t, for arrays: the tail and the quantile, without SciPy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_TERMS = 200
_TINY = 1e-300


def t_test(t: npt.ArrayLike, degrees: npt.ArrayLike) -> FloatArray:
    """P(|T| >= |t|) of Student's t.

    Args:
        t: of any shape; infinite gives 0, NaN gives NaN.
        degrees: degrees of freedom, at least 1, of a shape that broadcasts.

    Returns:
        p, float64 in [0, 1]; small ones keep their relative accuracy.

    Example:
        >>> t_test([0.0, 2.0395, 10.0], 31).round(4)
        array([1.  , 0.05, 0.  ])

    Source: the regularised incomplete beta function I_x(degrees / 2, 1 / 2) at x = degrees / (degrees + t^2).
    """
    values, freedom = np.broadcast_arrays(np.asarray(t, np.float64), np.asarray(degrees, np.float64))
    square = values * values
    x = freedom / (freedom + square)
    complement = np.divide(square, freedom + square, out=np.ones_like(square), where=np.isfinite(square))
    half = freedom / 2
    # Each continued fraction converges fast on its side of the mean.
    lower = x < (half + 1) / (half + 2.5)
    a, b = np.where(lower, half, 0.5), np.where(lower, 0.5, half)
    at, other = np.where(lower, x, complement), np.where(lower, complement, x)
    with np.errstate(divide="ignore"):
        front = np.exp(_log_beta_front(half) + a * np.log(at) + b * np.log(other)) / a
    part = front * _beta_fraction(a, b, at)
    return np.where(np.isnan(values), np.nan, np.where(lower, part, 1 - part).clip(0, 1))


def t_quantile(level: float, degrees: npt.ArrayLike) -> FloatArray:
    """The t that a share `level` of Student's distribution lies within, both sides counted.

    Args:
        level: in (0, 1).
        degrees: degrees of freedom, at least 1.

    Returns:
        The quantile for each, float64.

    Example:
        >>> t_quantile(0.95, [1, 31]).round(3)
        array([12.706,  2.04 ])
    """
    freedom, back = np.unique(np.asarray(degrees, np.float64), return_inverse=True)
    low, high = np.zeros(len(freedom)), np.full(len(freedom), 1e9)
    for _ in range(100):
        middle = (low + high) / 2
        outside = t_test(middle, freedom) > 1 - level
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return np.asarray(high[back].reshape(np.shape(degrees)))


def _log_beta_front(half: FloatArray) -> FloatArray:
    """The logarithm of 1 / B(half, 1/2)."""
    freedom, back = np.unique(half, return_inverse=True)
    logs = [math.lgamma(k + 0.5) - math.lgamma(k) - math.lgamma(0.5) for k in freedom.tolist()]
    return np.array(logs)[back].reshape(half.shape)


def _beta_fraction(a: FloatArray, b: FloatArray, x: FloatArray) -> FloatArray:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c = np.ones_like(x)
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        before = value
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 / _away_from_zero(1 + step * d)
            c = _away_from_zero(1 + step / c)
            value = value * d * c
        if not (np.abs(value - before) > 1e-15 * np.abs(value)).any():
            break
    return value


def _away_from_zero(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) < _TINY, _TINY, values)
