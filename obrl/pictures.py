"""A relation as an array of pixels, and such an array as a PNG, by NumPy and the standard library alone."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.arrays import relation_matrix
from obrl.errors import check_choice, check_matrix, metadata
from obrl.measures import MEASURES

Pixels = npt.NDArray[np.uint8]

LEAST_SIDE = 256
"""Pixels: a small relation is enlarged to at least about this, so that a browser does not blur it."""
MOST_SIDE = 512
"""Pixels: of a larger relation several neighbouring pairs share one."""
HIGHEST, MIDDLE, LOWEST = (np.array(colour) for colour in ((178, 24, 43), (247, 247, 247), (33, 102, 172)))
UNDEFINED = (170, 170, 170)


def heat_map(relation: npt.ArrayLike, *, measure: str = "unit_pearson") -> Pixels:
    """Draw a relation: red for pairs that go together, blue for pairs that exclude each other.

    The colour follows the place of the relation in the range of its measure: dark red at the upper end (phi = 1 for the
    two Pearson measures), almost white in the middle (phi = 0), dark blue at the lower end (phi = -1). A pair without
    evidence is grey. Row i and column j are the labels i and j, the first at the top left.

    Args:
        relation: R, (num_labels, num_labels) on the scale of `measure`, NaN where there is no evidence.
        measure: a key of `obrl.MEASURES`.

    Returns:
        (side, side, 3) uint8. Up to 512 labels a pair is a square of pixels. With more labels a pixel stands for
        several neighbouring pairs and shows that which is farthest from the middle.

    Raises:
        TypeError, ValueError: no square matrix, or an unknown measure.

    Example:
        >>> heat_map([[1.0, 0.0], [0.0, 1.0]])[0, [0, -1]].tolist()
        [[178, 24, 43], [33, 102, 172]]
    """
    check_choice("measure", measure, tuple(MEASURES))
    values = relation_matrix(relation)
    check_matrix("relation", metadata(values))
    low, high = MEASURES[measure].low, MEASURES[measure].high
    place = np.clip((2.0 * values - (low + high)) / (high - low), -1.0, 1.0)
    place = _shrink(place) if len(place) > MOST_SIDE else _enlarge(place)
    share = np.abs(np.nan_to_num(place))[..., np.newaxis]
    end = np.where(place[..., np.newaxis] > 0, HIGHEST, LOWEST)
    pixels = np.rint(MIDDLE + share * (end - MIDDLE)).astype(np.uint8)
    pixels[np.isnan(place)] = UNDEFINED
    return pixels


def _enlarge(place: npt.NDArray[Any]) -> npt.NDArray[Any]:
    times = max(1, LEAST_SIDE // max(len(place), 1))
    return place.repeat(times, axis=0).repeat(times, axis=1)


def _shrink(place: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of each block of pairs the value farthest from 0; NaN where it has none."""
    size = -(-len(place) // MOST_SIDE)
    blocks = -(-len(place) // size)
    padded = np.full((blocks * size, blocks * size), np.nan)
    padded[: len(place), : len(place)] = place
    parts = padded.reshape(blocks, size, blocks, size)
    highest: npt.NDArray[Any] = np.fmax.reduce(parts, axis=(1, 3))
    lowest: npt.NDArray[Any] = np.fmin.reduce(parts, axis=(1, 3))
    return np.where(highest >= -lowest, highest, lowest)


def encode_png(pixels: Pixels) -> bytes:
    """A picture as the bytes of a PNG.

    Args:
        pixels: (height, width, 3) uint8.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits each of red, green and blue
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
