"""The functions of `obrl_cuda.h`, for callers that hold addresses on a CUDA device."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_double, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from obrl_native.build import BuildError, Recipe, Unit, build
from obrl_native.cpu import MAX_LABELS

UNITS = (Unit("launcher.cc", ("-ffp-contract=off",)),)
"""The sources of the launcher, for libraries that add others to them, too."""
LINKS = ("-ldl",)

CUBINS = Path(__file__).parent / "cubins"
"""The folder of the kernels."""

REFUSED = 1
"""`OBRL_CUDA_REFUSED`."""


class Call(Structure):
    """`obrl_cuda_call`."""

    _fields_ = (
        ("stream", c_void_p),
        ("scratch", c_void_p),
        ("scratch_bytes", c_int64),
        ("error", c_char * 512),
    )


class Relation(Structure):
    """`obrl_cuda_relation`."""

    _fields_ = (
        *((name, c_void_p) for name in ("targets", "counts", "sum", "weight", "new_sum", "new_weight", "pairs")),
        ("decay", c_double),
        ("positive_threshold", c_double),
        ("negative_threshold", c_double),
        ("batch", c_int64),
        ("num_labels", c_int64),
        ("measure", c_int32),
        ("average_counts", c_int32),
    )


class LossArguments(Structure):
    """`obrl_cuda_loss_arguments`."""

    _fields_ = (
        *((name, c_void_p) for name in ("logits", "targets", "sample_weight", "pos_weight", "pairs")),
        *((name, c_void_p) for name in ("total", "cross_entropy", "relation_loss", "gradient", "relation_gradient")),
        ("alpha", c_double),
        ("batch", c_int64),
        ("num_labels", c_int64),
        ("gradients", c_int32),
        ("active_pairs", c_int32),
    )


class Library:
    """The functions of a library that holds the launcher. Loading it also loads the driver and the table of kernels.

    Args:
        path: of the library.
        cubins: the folder of the kernels.
        driver: name of the driver's library, or None for `libcuda.so.1`.

    Raises:
        BuildError: an ImportError; the library or the driver cannot be loaded.
    """

    def __init__(self, path: str, *, cubins: Path = CUBINS, driver: str | None = None) -> None:
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            raise BuildError(f"the native code of obrl cannot be loaded: {error}") from error
        start(library, cubins=cubins, driver=driver)
        self._pairs = _function(library.obrl_cuda_pairs_bytes, c_int64, c_int64)
        self._move_scratch = _function(library.obrl_cuda_move_scratch, c_int64, c_int64, c_int64)
        self._loss_scratch = _function(library.obrl_cuda_loss_scratch, c_int64, c_int64, c_int64, c_int32, c_int32)
        self._count = _function(library.obrl_cuda_count, c_int32, c_void_p, c_int64, c_int64, c_void_p, POINTER(Call))
        self._move = _function(library.obrl_cuda_move, c_int32, POINTER(Relation), POINTER(Call))
        self._loss = _function(library.obrl_cuda_loss, c_int32, POINTER(LossArguments), POINTER(Call))

    def pairs_bytes(self, num_labels: int) -> int:
        """The bytes of the pairs of a relation.

        Raises:
            ValueError: sizes out of range; all functions here raise it for wrong sizes, addresses and numbers.
        """
        return _size(self._pairs(num_labels), num_labels)

    def move_scratch(self, batch: int, num_labels: int) -> int:
        """The bytes of scratch that `move` needs; `batch` is 0 without targets."""
        return _size(self._move_scratch(batch, num_labels), batch, num_labels)

    def loss_scratch(self, batch: int, num_labels: int, *, joint: bool, gradients: int) -> int:
        """The bytes of scratch that `loss` needs; `gradients` is a value of `cpu.GRADIENTS`."""
        return _size(self._loss_scratch(batch, num_labels, joint, gradients), batch, num_labels)

    def count(self, targets: int | None, batch: int, num_labels: int, counts: int, *, stream: int | None) -> None:
        """The pair counts of a batch; the arguments are those of `obrl_cuda_count`.

        Raises:
            RuntimeError: the driver failed, or there is no kernel for the device; as all functions that launch kernels.
        """
        call = Call(stream)
        _check(self._count(targets, batch, num_labels, counts, byref(call)), call.error)

    def move(self, relation: Relation, *, stream: int | None, scratch: int, scratch_bytes: int) -> None:
        """Eq. 1 and Eq. 3; the arguments are those of `obrl_cuda_move`."""
        call = Call(stream, scratch, scratch_bytes)
        _check(self._move(relation, byref(call)), call.error)

    def loss(self, arguments: LossArguments, *, stream: int | None, scratch: int, scratch_bytes: int) -> None:
        """Eq. 2 and Eq. 4 for each sample; the arguments are those of `obrl_cuda_loss`."""
        call = Call(stream, scratch, scratch_bytes)
        _check(self._loss(arguments, byref(call)), call.error)


def start(library: ctypes.CDLL, *, cubins: Path = CUBINS, driver: str | None = None) -> None:
    """Call `obrl_cuda_start` of a library that holds the launcher.

    Raises:
        BuildError: an ImportError; there is no driver, or the kernels cannot be read.
    """
    error = ctypes.create_string_buffer(512)
    run = _function(library.obrl_cuda_start, c_int32, c_char_p, c_char_p, c_char_p, c_int64)
    name = None if driver is None else driver.encode()
    if run(str(cubins).encode(), name, error, len(error)):
        raise BuildError(error.value.decode(errors="replace"))


@cache
def library() -> Library:
    """The library, compiled if it is not in the cache.

    Raises:
        BuildError: an ImportError; it cannot be compiled or written to the cache, or there is no driver.
    """
    return Library(str(build(Recipe("obrl_cuda", UNITS, links=LINKS))))


def _function(function: Any, result: Any, *types: Any) -> Any:
    function.argtypes, function.restype = types, result
    return function


def _size(size: int, *sizes: int) -> int:
    if size < 0:
        raise ValueError(f"expected 1 to {MAX_LABELS} labels and at most 2^24 samples, got {sizes}")
    return size


def _check(status: int, error: bytes) -> None:
    if status:
        raise (ValueError if status == REFUSED else RuntimeError)(error.decode(errors="replace"))
