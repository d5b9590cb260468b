"""Losses in place of Eq. 4, for every framework; and a second time in NumPy, as their papers print them.

Focal loss: Lin et al., "Focal Loss for Dense Object Detection", Eq. 5. Asymmetric loss: Ridnik et al., "Asymmetric Loss
For Multi-Label Classification", Eq. 4 to 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from obrl.namespace import NUMPY, Array, Namespace
from tests.support.tolerances import FINITE_DIFFERENCE_STEP

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2
GAMMA_POSITIVE, GAMMA_NEGATIVE, MARGIN = 1, 4, 0.05

Function = Callable[[Any, Any], Any]


def functions(ns: Namespace, log: Callable[[Array], Array]) -> Mapping[str, Function]:
    """The functions for a framework, of logits and targets, elementwise.

    Args:
        ns: the framework's functions.
        log: the natural logarithm, which the algebra does not need.
    """

    def bce(x: Array, y: Array) -> Array:
        return (1.0 - y) * x - ns.log_sigmoid(x)

    def focal(x: Array, y: Array) -> Array:
        p = ns.sigmoid(x)
        positive = FOCAL_ALPHA * y * (1.0 - p) ** FOCAL_GAMMA * ns.log_sigmoid(x)
        return -positive - (1.0 - FOCAL_ALPHA) * (1.0 - y) * p**FOCAL_GAMMA * ns.log_sigmoid(-x)

    def asymmetric(x: Array, y: Array) -> Array:
        p = ns.sigmoid(x)
        shifted = ns.where(p > MARGIN, p - MARGIN, 0.0)
        positive = y * (1.0 - p) ** GAMMA_POSITIVE * ns.log_sigmoid(x)
        return -positive - (1.0 - y) * shifted**GAMMA_NEGATIVE * log(1.0 - shifted)

    def infinite_at_zero(x: Array, y: Array) -> Array:
        return bce(x, y) / y

    def mean(x: Array, y: Array) -> Array:
        return ns.sum(bce(x, y)) / 3.0

    return {
        "bce": bce,
        "focal": focal,
        "asymmetric": asymmetric,
        "infinite at zero": infinite_at_zero,
        "mean": mean,
    }


def with_slopes() -> Mapping[str, Function]:
    """The functions for NumPy, which also return their derivatives."""

    def both(function: Function) -> Function:
        def with_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
            with np.errstate(divide="ignore", invalid="ignore"):
                return function(x, y), derivative(function, x, y)

        return with_slope

    named = dict(functions(NUMPY, np.log))
    exact = named.pop("bce")
    return {
        **{name: both(function) for name, function in named.items()},
        "bce": lambda x, y: (exact(x, y), NUMPY.sigmoid(x) - y),
    }


def derivative(function: Function, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of an elementwise function by central differences."""
    step = FINITE_DIFFERENCE_STEP
    return np.asarray((function(x + step, y) - function(x - step, y)) / (2 * step))


def printed_focal(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """-alpha_t (1 - p_t)^gamma log p_t, where p_t is the probability of what is true."""
    p_t = expit(np.where(y == 1, x, -x))
    alpha_t = np.where(y == 1, FOCAL_ALPHA, 1 - FOCAL_ALPHA)
    return np.asarray(-alpha_t * (1 - p_t) ** FOCAL_GAMMA * np.log(p_t))


def printed_asymmetric(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """-L_+ = -(1 - p)^gamma_+ log p, -L_- = -p_m^gamma_- log(1 - p_m) with p_m = max(p - m, 0)."""
    p, p_m = expit(x), np.maximum(expit(x) - MARGIN, 0)
    return np.asarray(-np.where(y == 1, (1 - p) ** GAMMA_POSITIVE * log_expit(x), p_m**GAMMA_NEGATIVE * np.log1p(-p_m)))


PRINTED: Mapping[str, Function] = {"focal": printed_focal, "asymmetric": printed_asymmetric}
"""The oracles, for targets 0 and 1."""
