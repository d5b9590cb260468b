"""Which attributes of which pictures were predicted rightly: what differences between runs are computed from."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Unit = Literal["people", "pictures"]


@dataclass(frozen=True, eq=False)
class Right:
    """Right and wrong predictions of N pictures.

    Args:
        names: The M attributes.
        right: (N, M) bool: whether the prediction is right; False where the label is missing.
        known: (N, M) bool: whether there is a label.
        units: (N,) int64: the person on each picture, or the picture's own number.
        unit: What ``units`` numbers: people where every picture's is known, else pictures.
        pictures: A digest of the pictures' names: two of the same are about the same pictures in the same order.
    """

    names: tuple[str, ...]
    right: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    units: npt.NDArray[np.int64]
    unit: Unit
    pictures: str


def judge(
    logits: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    *,
    names: Sequence[str],
    pictures: Sequence[str],
    people: npt.NDArray[np.int64] | None,
) -> Right:
    """Compare predictions with labels.

    Args:
        logits: (N, M); 0 and above predicts that the attribute is there.
        targets: (N, M) in [0, 1], NaN where missing.
        names: The attributes.
        pictures: Names of the pictures.
        people: (N,) numbers of people, -1 where unknown; None where nobody is known.
    """
    known = ~np.isnan(targets)
    right = ((logits >= 0) == (targets >= 0.5)) & known
    everybody = people is not None and bool((people >= 0).all())
    keys = people if everybody else np.arange(len(targets))
    _, units = np.unique(np.asarray(keys), return_inverse=True)
    digest = hashlib.sha256("\n".join(pictures).encode()).hexdigest()
    return Right(tuple(names), right, known, units.astype(np.int64), "people" if everybody else "pictures", digest)


def pack_right(right: Right) -> dict[str, Any]:
    """Return it as plain values that JSON holds: bits, compressed; some 3 bytes a picture of 40 attributes."""
    return {
        "names": list(right.names),
        "pictures": right.pictures,
        "count": len(right.right),
        "right": _pack(np.packbits(right.right)),
        "known": "all" if right.known.all() else _pack(np.packbits(right.known)),
        "unit": right.unit,
        "units": "each" if right.unit == "pictures" else _pack(right.units.astype("<i4")),
    }


def unpack_right(stored: Mapping[str, Any]) -> Right:
    """Return what `pack_right` has packed."""
    names, count = tuple(stored["names"]), int(stored["count"])
    shape = (count, len(names))
    known = np.ones(shape, dtype=bool) if stored["known"] == "all" else _bits(stored["known"], shape)
    units = np.arange(count) if stored["units"] == "each" else np.frombuffer(_unpack(stored["units"]), dtype="<i4")
    unit: Unit = "people" if stored["unit"] == "people" else "pictures"
    return Right(names, _bits(stored["right"], shape), known, units.astype(np.int64), unit, str(stored["pictures"]))


def _pack(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")


def _unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def _bits(text: str, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    packed = np.frombuffer(_unpack(text), dtype=np.uint8)
    return np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(bool)
