"""Arrow's columns as NumPy arrays, from their buffers: Arrow's `to_numpy` imports pandas where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import MiningError


def require_arrow(what: str) -> Any:
    """The module pyarrow; raises MiningError where it is missing."""
    try:
        import pyarrow
    except ImportError:
        raise MiningError(f'reading {what} needs pyarrow: pip install "obrl[mining]"') from None
    return pyarrow


def numbers(array: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """A column of bool, integers or floating point.

    Args:
        array: a pyarrow.Array.

    Returns:
        The values, (rows,), and where they are null, or None where none is. What stands at a null is arbitrary.
    """
    empty = bits(array.is_null()) if array.null_count else None
    if str(array.type) == "bool":
        return bits(array), empty
    if str(array.type) == "null":
        return np.zeros(len(array), np.int8), np.ones(len(array), bool)
    values = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype(), count=array.offset + len(array))
    return values[array.offset :], empty


def bits(array: Any) -> npt.NDArray[np.bool_]:
    """The values of a column of bool; arbitrary where they are null."""
    if not len(array):
        return np.zeros(0, bool)
    packed = np.frombuffer(array.buffers()[1], np.uint8)
    unpacked = np.unpackbits(packed, count=array.offset + len(array), bitorder="little")
    return unpacked[array.offset :].view(np.bool_)


def strings(array: Any) -> npt.NDArray[Any]:
    """The values of any column as text, in an array of objects; an empty text for null."""
    texts = np.empty(len(array), object)
    texts[:] = ["" if value is None else str(value) for value in array.to_pylist()]
    return texts
