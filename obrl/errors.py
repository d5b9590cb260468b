"""Checks of arguments, with error messages that all frameworks share.

Most checks read metadata only (rank, shape, kind of dtype), so they cost nothing on a device and work while tracing.
Two check values: `checked_pos_weight` reads an array, and `check_target_range` takes two numbers. A framework calls the
value checks only where it can read values on the host.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.arrays import as_array

REDUCTIONS = ("mean", "sum", "none")
IMPLEMENTATIONS = ("auto", "plain", "fused")


ORDER = "the order is (logits, targets); in obrl.tensorflow, as in every loss of Keras, it is (y_true, y_pred)"
"""What to say where logits and targets seem to be swapped."""


class Metadata(NamedTuple):
    """What a check may know of an array: `shape`, the `kind` of its dtype, its `dtype` and its `device`.

    `kind` is "bool", "int", "float", "complex" or "other".
    """

    shape: tuple[int, ...]
    kind: str
    dtype: object
    device: object = "cpu"


_KINDS = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}


def metadata(array: npt.NDArray[Any]) -> Metadata:
    """The metadata of a NumPy array."""
    return Metadata(array.shape, _KINDS.get(array.dtype.kind, "other"), str(array.dtype))


def check_number(name: str, value: object) -> float:
    """Return `value` as a float; raise TypeError unless it is a real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    return float(value)


def check_whole_number(name: str, value: object, *, least: int) -> int:
    """The value, if it is a whole number of at least `least`; else raise TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {expected}, got {value!r}")


def check_impl(impl: object, *, has_kernels: bool = True) -> None:
    """Raise ValueError unless `impl` is one of `IMPLEMENTATIONS`; without kernels, as in NumPy, also for "fused"."""
    check_choice("impl", impl, IMPLEMENTATIONS)
    if impl == "fused" and not has_kernels:
        raise ValueError(
            'impl="fused" needs obrl.torch, obrl.jax or obrl.tensorflow, got impl="fused" in NumPy\'s version, which '
            "computes in NumPy alone"
        )


def check_num_labels(num_labels: object) -> int:
    """Return `num_labels` as an int; raise unless it is a positive whole number."""
    if isinstance(num_labels, bool) or not hasattr(num_labels, "__index__"):
        raise TypeError(f"num_labels must be a positive int, got {num_labels!r}")
    count = int(num_labels.__index__())
    if count < 1:
        raise ValueError(f"num_labels must be at least 1, got {count}")
    return count


def check_label_names(label_names: Sequence[str] | None, num_labels: int) -> tuple[str, ...] | None:
    """Return the names as a tuple; raise unless there is one distinct string a label."""
    if label_names is None:
        return None
    if isinstance(label_names, str):
        raise TypeError(f"label_names must be a sequence of {num_labels} strings, got the string {label_names!r}")
    names = tuple(label_names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"label_names must hold strings, got {name!r}")
    if len(names) != num_labels:
        raise ValueError(
            f"label_names must hold {num_labels} names, one a label in the order of the columns, got {len(names)}"
        )
    if len(set(names)) != len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"label_names must be distinct, got {', '.join(repeated)} more than once")
    return tuple(str(name) for name in names)


def _check_shape(name: str, meta: Metadata, shape: tuple[int, ...], words: str) -> None:
    if len(meta.shape) != len(shape):
        raise ValueError(f"{name} must have shape {words}, got {len(meta.shape)} dimensions: {_shape(meta)}")
    if any(have != want for have, want in zip(meta.shape, shape, strict=True)):
        raise ValueError(f"{name} must have shape {words} = {tuple(shape)}, got {_shape(meta)}")


def _check_columns(name: str, meta: Metadata, num_labels: int | None) -> None:
    if len(meta.shape) != 2 or (num_labels is not None and meta.shape[1] != num_labels):
        width = "" if num_labels is None else f" with num_labels = {num_labels}"
        remedy = ": one column a label, so that classes are one-hot" if len(meta.shape) == 1 else ""
        raise ValueError(f"{name} must have shape (batch, num_labels){width}, got {_shape(meta)}{remedy}")


def _shape(meta: Metadata) -> str:
    return f"{tuple(meta.shape)}"


def _check_kind(name: str, meta: Metadata, kinds: tuple[str, ...], words: str) -> None:
    if meta.kind not in kinds:
        raise TypeError(f"{name} must be {words}, got {meta.dtype}")


def check_labels(
    targets: Metadata, observed: Metadata | None, *, num_labels: int | None, ignore_index: int | None = None
) -> None:
    """Check what an update of the relation takes.

    Raises:
        ValueError: a rank, shape or device other than expected, or a dtype that cannot hold `ignore_index`.
        TypeError: complex targets, `observed` other than bool, or targets other than integers with `ignore_index`.
    """
    _check_columns("targets", targets, num_labels)
    if targets.kind == "other":
        raise TypeError(
            f"targets must be bool, integer or floating point, got {targets.dtype}: missing targets are NaN, not None, "
            "and words are 1 for present and 0 for absent"
        )
    _check_kind("targets", targets, ("bool", "int", "float"), "bool, integer or floating point")
    if ignore_index is not None:
        _check_holds(targets, ignore_index)
    if observed is not None:
        _check_kind("observed", observed, ("bool",), "bool (True where a target is known)")
        _check_shape("observed", observed, targets.shape, "(batch, num_labels)")
        check_device("observed", observed, "targets", targets)


def _check_holds(targets: Metadata, ignore_index: int) -> None:
    """Raise unless targets are integers of a dtype that can hold `ignore_index`."""
    if targets.kind != "int":
        raise TypeError(
            f"targets must be integers where ignore_index={ignore_index} marks the missing ones, got {targets.dtype}: "
            "without ignore_index, NaN (in floating point) or observed= marks them"
        )
    sign, bits = re.findall(r"(u?)int(\d+)", str(targets.dtype))[0]
    low, high = (0, 2 ** int(bits) - 1) if sign else (-(2 ** (int(bits) - 1)), 2 ** (int(bits) - 1) - 1)
    if not low <= ignore_index <= high:
        raise ValueError(
            f"ignore_index must be a number that targets can hold, from {low} to {high} in {targets.dtype}, "
            f"got {ignore_index}"
        )


def check_ignore_index(ignore_index: int | None) -> int | None:
    """The number that marks missing targets, if it can be one; 0 and 1 are labels.

    Raises:
        TypeError: no whole number.
        ValueError: 0 or 1.
    """
    if ignore_index is None:
        return None
    if isinstance(ignore_index, bool) or not hasattr(ignore_index, "__index__"):
        raise TypeError(f"ignore_index must be None or a whole number such as -1 or 255, got {ignore_index!r}")
    number = int(ignore_index.__index__())
    if number in (0, 1):
        raise ValueError(f"ignore_index must be a number that is no label, such as -1 or 255, got {number}")
    return number


def check_logits(logits: Metadata, *, num_labels: int) -> None:
    """Check the logits alone: floating point, (batch, num_labels)."""
    _check_columns("logits", logits, num_labels)
    _check_kind("logits", logits, ("float",), "floating point (raw scores, before the sigmoid)")


def check_batch(
    logits: Metadata,
    targets: Metadata,
    observed: Metadata | None,
    sample_weight: Metadata | None,
    *,
    num_labels: int,
    ignore_index: int | None = None,
) -> None:
    """Check what a loss takes, all of it before anything moves.

    Raises:
        ValueError: a rank, shape or device other than expected.
        TypeError: logits that are not floating point, complex targets or weights, `observed` other than bool.
    """
    check_logits(logits, num_labels=num_labels)
    check_labels(targets, observed, num_labels=num_labels, ignore_index=ignore_index)
    _check_shape("targets", targets, logits.shape, "of logits (batch, num_labels)")
    check_device("targets", targets, "logits", logits)
    if sample_weight is not None:
        _check_kind("sample_weight", sample_weight, ("int", "float"), "integer or floating point")
        _check_shape("sample_weight", sample_weight, logits.shape[:1], "(batch,)")
        check_device("sample_weight", sample_weight, "logits", logits)


def check_device(name: str, meta: Metadata, other_name: str, other: Metadata) -> None:
    """Raise ValueError unless both are on one device."""
    if meta.device != other.device:
        raise ValueError(f"{name} must be on the device of {other_name}, {other.device}, got {meta.device}")


def check_target_range(low: float, high: float, *, one_number: bool) -> None:
    """Raise ValueError unless the observed targets, from `low` to `high`, lie in [0, 1].

    Args:
        low: the smallest of them.
        high: the largest.
        one_number: whether those outside of [0, 1] are all the same, so that it may mean missing.
    """
    if low >= 0 and high <= 1:
        return
    marker = low if low < 0 else high
    remedy = (
        "Several numbers lie outside: scale targets to [0, 1] (per cent: targets / 100); missing ones are NaN, or have "
        "observed=False"
    )
    if one_number:
        remedy = "Missing targets are NaN, or have observed=False"
    if one_number and marker.is_integer():
        remedy = (
            f"If {marker:g} means missing: ignore_index={marker:g} of the loss or relation (integer targets), NaN "
            f"(floating point), or observed=targets != {marker:g}"
        )
    if one_number and marker == -1:
        remedy += ". If -1 means absent: (targets + 1) / 2"
    if not (low.is_integer() and high.is_integer()):
        remedy += f". If they are logits: {ORDER}"
    elif low >= 0:
        remedy += ". If they are classes: one column a class (one-hot)"
    raise ValueError(
        f"targets must lie in [0, 1] (0 or 1, or soft in between), got values from {low:g} to {high:g}. {remedy}"
    )


def check_matrix(name: str, meta: Metadata, *, num_labels: int | None = None) -> None:
    """Check a relation handed in: real, square, and `num_labels` wide where that is known."""
    _check_kind(name, meta, ("bool", "int", "float"), "a real matrix")
    square = len(meta.shape) == 2 and meta.shape[0] == meta.shape[1]
    if not square or (num_labels is not None and meta.shape[0] != num_labels):
        size = "num_labels, num_labels" if num_labels is None else f"{num_labels}, {num_labels}"
        raise ValueError(f"{name} must have shape ({size}), got {_shape(meta)}")


def checked_pos_weight(weights: npt.ArrayLike | None, *, num_labels: int) -> tuple[float, ...] | None:
    """The weights of the positives as numbers, or None; raise unless they are finite and non-negative, one a label."""
    if weights is None:
        return None
    values = as_array("pos_weight", weights)
    meta = metadata(values)
    _check_kind("pos_weight", meta, ("int", "float"), "integer or floating point")
    _check_shape("pos_weight", meta, (num_labels,), "(num_labels,)")
    numbers = tuple(values.astype(np.float64).tolist())
    if not all(0 <= number < math.inf for number in numbers):
        low, high = values.min(), values.max()
        raise ValueError(f"pos_weight must be finite and non-negative, got values from {low:g} to {high:g}")
    return numbers


def resolve_update(update: bool | None, *, default: bool, freeze: bool) -> bool:
    """Whether this call moves the relation: `update` where it is given, else `default`, never when frozen."""
    if update is None:
        return default and not freeze
    if not isinstance(update, bool):
        raise TypeError(f"update must be True, False or None, got {update!r}")
    if update and freeze:
        raise ValueError("update must not be True on a frozen relation (freeze=True), got update=True")
    return update
