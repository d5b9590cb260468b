"""MXNet's RecordIO files: reading records by their place, without MXNet."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.errors import DataError
from reference_model.data.sets.files import LargeFile
from reference_model.data.signatures import describe_impostor

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
WHOLE, FIRST, MIDDLE, LAST = range(4)
"""What a part of a record may be; parts were cut where the data held the magic number."""
PART = struct.Struct("<II")
HEADER = struct.Struct("<IfQQ")
LENGTH_BITS = 29


@dataclass(frozen=True)
class Record:
    """One record.

    Args:
        labels: The label, or several where the header says so.
        several: Whether the header says so.
        content: What follows: an encoded picture.
    """

    labels: tuple[float, ...]
    several: bool
    content: bytes


class RecordFile(LargeFile):
    """A RecordIO file."""

    def record(self, key: int, offset: int) -> Record:
        """Return the record at an offset.

        Args:
            key: Its number, for messages.
            offset: Its first byte.

        Raises:
            DataError: If there is no whole record; the message names the record and the byte.
        """
        data = b""
        place, expected = offset, (WHOLE, FIRST)
        while True:
            part, length = self._part(key, offset, place)
            if part not in expected:
                raise DataError(f"{self._where(key, offset)}: its parts are out of order; write the index anew")
            data += self.read(place + PART.size, length, where=self._where(key, offset))
            if part in (WHOLE, LAST):
                return self._parse(key, offset, data)
            data += MAGIC_BYTES  # it was left out where the record was cut
            place, expected = place + PART.size + -(-length // 4) * 4, (MIDDLE, LAST)

    def labels(self, key: int, offset: int) -> tuple[float, ...]:
        """Return the labels of the record at an offset, without reading its content where they come first."""
        part, length = self._part(key, offset, offset)
        if part != WHOLE or length < HEADER.size:
            return self.record(key, offset).labels
        count, label, _, _ = HEADER.unpack(self.read(offset + PART.size, HEADER.size, where=self._where(key, offset)))
        return (label,) if count == 0 else self.record(key, offset).labels

    def _part(self, key: int, offset: int, place: int) -> tuple[int, int]:
        """Return what kind of part begins at a byte, and its length."""
        magic, word = PART.unpack(self.read(place, PART.size, where=self._where(key, offset)))
        if magic != MAGIC:
            impostor = describe_impostor(self.path)
            remedy = impostor or "the index belongs to another file, or the file is damaged: fetch both anew"
            raise DataError(f"{self._where(key, offset)}: magic number {magic:#x} instead of {MAGIC:#x}; {remedy}")
        return word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1)

    def _parse(self, key: int, offset: int, data: bytes) -> Record:
        count, label, _, _ = HEADER.unpack(data[: HEADER.size]) if len(data) >= HEADER.size else (-1, 0.0, 0, 0)
        end = HEADER.size + 4 * count
        if count < 0 or len(data) < end:
            raise DataError(f"{self._where(key, offset)}: is too short for its header; fetch the file anew")
        if count == 0:
            return Record((label,), False, data[end:])
        return Record(struct.unpack(f"<{count}f", data[HEADER.size : end]), True, data[end:])

    def _where(self, key: int, offset: int) -> str:
        return f"{self.path}, record {key} at byte {offset}"


def read_index(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the keys and offsets of an index: a key, white space and the record's first byte in each line.

    Raises:
        DataError: If it is not such a file; the message names the line.
    """
    content = path.read_bytes()
    try:
        pairs = np.array(content.split(), dtype=np.int64).reshape(-1, 2)
    except (ValueError, OverflowError):
        raise DataError(_wrong_line(path, content)) from None
    if not len(pairs):
        raise DataError(f"{path}: {describe_impostor(content) or 'lists no records: fetch it anew'}")
    return pairs[:, 0], pairs[:, 1]


def _wrong_line(path: Path, content: bytes) -> str:
    impostor = describe_impostor(content)
    if impostor is not None:
        return f"{path}: {impostor}"
    for number, line in enumerate(content.splitlines(), start=1):
        words = line.split()
        if words and not (len(words) == 2 and all(word.isdigit() for word in words)):
            return f"{path}, line {number}: expected a key and an offset, got {line[:60].decode(errors='replace')!r}"
    return f"{path}: expected a key and an offset in each line"
