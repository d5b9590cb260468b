"""Tails of the normal and the chi-square distribution, for arrays, without SciPy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def normal_test(z: npt.ArrayLike) -> FloatArray:
    """P(|Z| >= |z|) of the normal distribution.

    Args:
        z: of any shape; NaN gives NaN.

    Returns:
        p, float64 in [0, 1]; small ones keep their relative accuracy.

    Example:
        >>> normal_test([0.0, 1.959964, -10.0]).round(3)
        array([1.  , 0.05, 0.  ])
    """
    values = np.asarray(z, np.float64)
    return _each(math.erfc, np.abs(values) / math.sqrt(2))


def chi_square_test(statistic: npt.ArrayLike, degrees: int) -> FloatArray:
    """P(X >= statistic) of the chi-square distribution.

    For an even number of degrees 2 h it is exp(-y) times the first h terms of the series of exp(y), with y half the
    statistic; for an odd one erfc(sqrt(y)) and a similar sum (Abramowitz and Stegun, 26.4.4 and 26.4.5).

    Args:
        statistic: of any shape, at least 0; NaN gives NaN.
        degrees: degrees of freedom, at least 1.

    Returns:
        p, float64 in [0, 1]; small ones keep their relative accuracy.

    Example:
        >>> chi_square_test([0.0, 3.841459, 44.985], 1).round(3)
        array([1.  , 0.05, 0.  ])
        >>> chi_square_test(44.985, 31).round(3)
        np.float64(0.05)
    """
    half = np.asarray(statistic, np.float64) / 2
    odd = degrees % 2 == 1
    p = _each(math.erfc, np.sqrt(half)) if odd else np.zeros(half.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(half)
        for k in range(degrees // 2):
            power = k + 0.5 if odd else float(k)
            term = np.exp(power * logarithm - half - math.lgamma(power + 1)) if power else np.exp(-half)
            p = p + term
    return np.asarray(np.clip(p, 0, 1))


def _each(function: object, values: FloatArray) -> FloatArray:
    """A function of one number, for each of an array."""
    assert callable(function)
    return np.array([function(value) for value in values.ravel().tolist()], np.float64).reshape(values.shape)
