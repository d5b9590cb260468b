"""The functions of `obrl_cpu.h`, for callers that hold addresses."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_double, c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

from obrl import measures
from obrl_native.build import BuildError, Recipe, Unit, build

UNITS = (Unit("relation.cc", ("-ffp-contract=off",)), Unit("loss.cc", ("-ffp-contract=fast",)))
"""The sources of the functions on a CPU, for libraries that add others to them, too."""

UINT8, FLOAT32, FLOAT64 = range(3)
MAX_LABELS = 2**14
"""The most labels of every fused implementation: the kernels hold three times the number of their pairs in an int32."""

MEASURES = {name: number for number, name in enumerate(measures.MEASURES)}
"""`obrl_measure`, in the order of `measures.h`. The native code refuses a number that is not in its list."""
REDUCTIONS = {"mean": 0, "sum": 1, "none": 2}
GRADIENTS = {"none": 0, "total": 1, "parts": 2}
_UNKNOWN_NUMBER = 2
"""`OBRL_UNKNOWN_NUMBER`."""


class Labels(Structure):
    """`obrl_labels`."""

    _fields_ = (
        ("targets", c_void_p),
        ("observed", c_void_p),
        ("batch", c_int64),
        ("num_labels", c_int64),
        ("dtype", c_int32),
    )


class Relation(Structure):
    """`obrl_relation`."""

    _fields_ = (
        ("sum", c_void_p),
        ("weight", c_void_p),
        ("decay", c_double),
        ("positive_threshold", c_double),
        ("negative_threshold", c_double),
        ("num_labels", c_int64),
        ("dtype", c_int32),
        ("measure", c_int32),
        ("counts", c_int32),
    )


class LossArguments(Structure):
    """`obrl_loss_arguments`."""

    _fields_ = (
        *((name, c_void_p) for name in ("logits", "targets", "observed", "sample_weight", "pos_weight", "code")),
        *((name, c_void_p) for name in ("total", "cross_entropy", "relation_loss", "gradient", "relation_gradient")),
        ("alpha", c_double),
        ("batch", c_int64),
        ("num_labels", c_int64),
        *((name, c_int32) for name in ("dtype", "target_dtype", "reduction", "gradients", "joint", "active_pairs")),
    )


class Library:
    """The functions of a library that holds the native code.

    Raises:
        MemoryError: there is too little memory; as every function here.
        ValueError: a dtype, measure, reduction or choice of gradients that the native code does not know; likewise.
    """

    def __init__(self, path: str) -> None:
        library = load(path)
        self._count = _function(library.obrl_count, POINTER(Labels), c_void_p, c_int32)
        self._move = _function(library.obrl_move, POINTER(Labels), c_void_p, POINTER(Relation), c_void_p, c_int32)
        self._loss = _function(library.obrl_loss, POINTER(LossArguments), c_int32)

    def count(self, labels: Labels, counts: int, threads: int) -> None:
        """The pair counts of a batch; the arguments are those of `obrl_count`."""
        _check(self._count(labels, counts, threads))

    def move(self, labels: Labels | None, counts: int | None, relation: Relation, code: int, threads: int) -> None:
        """Eq. 1 and Eq. 3; the arguments are those of `obrl_move`."""
        _check(self._move(labels, counts, relation, code, threads))

    def loss(self, arguments: LossArguments, threads: int) -> None:
        """Eq. 2 and Eq. 4; the arguments are those of `obrl_loss`."""
        _check(self._loss(arguments, threads))


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
def library() -> Library:
    """The library, compiled if it is not in the cache.

    Raises:
        BuildError: an ImportError; it cannot be compiled or written to the cache.
    """
    return Library(str(build(Recipe("obrl_cpu", UNITS))))


def _function(function: Any, *types: Any) -> Any:
    function.argtypes, function.restype = types, c_int32
    return function


def _check(status: int) -> None:
    if status == _UNKNOWN_NUMBER:
        raise ValueError("obrl's native code does not know this dtype, measure, reduction or choice of gradients")
    if status:
        raise MemoryError("obrl's native code ran out of memory")
