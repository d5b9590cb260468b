"""Files that TensorBoard shows, written by the standard library alone.

TensorBoard's own writer imports TensorFlow where that is installed, and after that `torch.compile` ends the process. A
file is a sequence of records: the length of a message, the message, and a checksum of each. A message is an `Event` of
TensorBoard's `event.proto`; a field of it is written as its number and kind, then its value.
"""

from __future__ import annotations

import itertools
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from obrl.pictures import Pixels, encode_png

_VERSION = "brain.Event:2"
_files = itertools.count()


class EventWriter:
    """Writes numbers and pictures into a new file of a folder.

    Args:
        folder: of TensorBoard's `--logdir`, or below it; made if it is missing.
        first_step: what TensorBoard read of this step and later ones from earlier files of the folder is hidden, since
            a run that was resumed takes these steps again.
    """

    def __init__(self, folder: str | os.PathLike[str], *, first_step: int) -> None:
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time_ns() // 1000:017d}.{os.getpid()}.{next(_files)}.obrl"
        self._file = (place / name).open("xb")
        self._write(_text(3, _VERSION))
        self._write(_integer(2, first_step) + _message(7, _integer(1, 1)))  # session_log: status START

    def add(self, step: int, numbers: Mapping[str, float], pictures: Mapping[str, Pixels]) -> None:
        """Write the values of a step, by their names; the file is complete after each call."""
        values = [_text(1, tag) + _tag(2, 5) + struct.pack("<f", number) for tag, number in numbers.items()]
        values += [_text(1, tag) + _message(4, _picture(pixels)) for tag, pixels in pictures.items()]
        self._write(_integer(2, step) + _message(5, b"".join(_message(1, value) for value in values)))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: bytes) -> None:
        event = _tag(1, 1) + struct.pack("<d", time.time()) + event
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))


def _picture(pixels: Pixels) -> bytes:
    height, width, colours = pixels.shape
    return _integer(1, height) + _integer(2, width) + _integer(3, colours) + _message(4, encode_png(pixels))


def _tag(field: int, kind: int) -> bytes:
    return _variable_length(field << 3 | kind)


def _integer(field: int, value: int) -> bytes:
    return _tag(field, 0) + _variable_length(value)


def _message(field: int, content: bytes) -> bytes:
    return _tag(field, 2) + _variable_length(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _variable_length(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that another byte follows."""
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)


def _crc_table() -> list[int]:
    """CRC-32C (Castagnoli) of each byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def _checksum(content: bytes) -> bytes:
    """The masked CRC-32C of a record."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
