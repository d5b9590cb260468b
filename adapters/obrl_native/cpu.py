"""The library of `obrl_cpu.h` and its numbers, for callers that hold addresses and fill its structures."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from obrl import measures
from obrl_native.build import BuildError, Recipe, Unit, build

UNITS = (Unit("relation.cc", ("-ffp-contract=off",)), Unit("loss.cc", ("-ffp-contract=fast",)))
"""The sources of the functions on a CPU, for libraries that add others to them, too."""

RECIPE = Recipe("obrl_cpu", UNITS)
"""The library of these sources alone, for frameworks that hand over addresses."""

UINT8, FLOAT32, FLOAT64 = range(3)
MAX_LABELS = 2**14
"""The most labels of every fused implementation: the kernels hold three times the number of their pairs in an int32."""

MEASURES = {name: number for number, name in enumerate(measures.MEASURES)}
"""`obrl_measure`, in the order of `measures.h`. The native code refuses a number that is not in its list."""
REDUCTIONS = {"mean": 0, "sum": 1, "none": 2}
GRADIENTS = {"none": 0, "total": 1, "parts": 2}
_UNKNOWN_NUMBER = 2
"""`OBRL_UNKNOWN_NUMBER`."""


def load(path: str) -> ctypes.CDLL:
    """Load a library; raises BuildError where that fails."""
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise BuildError(
            f"the native code of obrl cannot be loaded: {error}; the environment's OBRL_CACHE may name "
            "another folder for it"
        ) from error


@cache
def library() -> ctypes.CDLL:
    """The library, compiled if it is not in the cache.

    Raises:
        BuildError: an ImportError; it cannot be compiled or written to the cache.
    """
    return load(str(build(RECIPE)))


@cache
def function(library: ctypes.CDLL, name: str, *types: Any) -> Callable[..., None]:
    """A function of a library that holds the native code, with the types of its arguments.

    Raises:
        MemoryError: at a call: there is too little memory.
        ValueError: at a call: a dtype, measure, reduction or choice of gradients that the native code does not know.
    """
    call = library[name]
    call.argtypes, call.restype, call.errcheck = types, ctypes.c_int32, _check_status
    return call


def _check_status(status: Any, function: Any, arguments: Any) -> Any:
    """Raise unless a call has returned `OBRL_OK`; ctypes hands in the function and its arguments, too."""
    if status == _UNKNOWN_NUMBER:
        raise ValueError("obrl's native code does not know this dtype, measure, reduction or choice of gradients")
    if status:
        raise MemoryError("obrl's native code ran out of memory")
