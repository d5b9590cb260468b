"""Writing MXNet's record files as InsightFace's are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from reference_model.data.catalogue import Catalogue
from reference_model.data.sets.records import (
    FIRST,
    HEADER,
    LAST,
    LENGTH_BITS,
    MAGIC,
    MAGIC_BYTES,
    MIDDLE,
    PART,
    WHOLE,
)
from reference_model.data.writers.common import people_of


def write_recordio(root: Path, catalogue: Catalogue) -> Path:
    """Write ``train.rec``, ``train.idx`` and ``property``.

    Record 0 holds the counts, then come the pictures, one person after the other, then a record a person with the range
    of its pictures. People are numbered from 0 in the order of their numbers.

    Args:
        root: The folder to write to.
        catalogue: Pictures whose people are known.

    Raises:
        ValueError: If a person is not known.
    """
    people, number = np.unique(people_of(catalogue), return_inverse=True)
    order = np.argsort(number, kind="stable")
    count = len(order)
    bounds = np.searchsorted(number[order], np.arange(len(people) + 1)) + 1
    root.mkdir(parents=True, exist_ok=True)
    with (root / "train.rec").open("wb") as records, (root / "train.idx").open("w", encoding="ascii") as index:

        def write(key: int, payload: bytes) -> None:
            index.write(f"{key}\t{records.tell()}\n")
            write_record(records, payload)

        write(0, pack((count + 1, count + 1 + len(people)), b"", key=0))
        for key, row in enumerate(order.tolist(), start=1):
            write(key, pack(float(number[row]), catalogue.pictures.read(row), key=key))
        for key, (start, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True), count + 1):
            write(key, pack((start, end), b"", key=key))
    with Image.open(io.BytesIO(catalogue.pictures.read(0))) as picture:
        width, height = picture.size
    (root / "property").write_text(f"{len(people)},{height},{width}", encoding="ascii")
    return root


def pack(labels: float | tuple[float, ...], content: bytes, *, key: int) -> bytes:
    """Return a record's payload: its header, several labels where they are several, and the content."""
    if isinstance(labels, tuple):
        return HEADER.pack(len(labels), 0.0, key, 0) + np.array(labels, dtype="<f4").tobytes() + content
    return HEADER.pack(0, labels, key, 0) + content


def write_record(stream: BinaryIO, payload: bytes) -> None:
    """Write a record, cut in parts where a multiple of four bytes into it the magic number stands."""
    pieces = _cut(payload)
    for place, piece in enumerate(pieces):
        part = MIDDLE if len(pieces) > 1 else WHOLE
        if len(pieces) > 1 and place in (0, len(pieces) - 1):
            part = FIRST if place == 0 else LAST
        stream.write(PART.pack(MAGIC, part << LENGTH_BITS | len(piece)) + piece + bytes(-len(piece) % 4))


def _cut(payload: bytes) -> list[bytes]:
    pieces, start, place = [], 0, payload.find(MAGIC_BYTES)
    while place >= 0:
        if place % 4 == 0:
            pieces.append(payload[start:place])
            start = place + 4
            place = payload.find(MAGIC_BYTES, start)
        else:
            place = payload.find(MAGIC_BYTES, place + 1)
    return [*pieces, payload[start:]]
