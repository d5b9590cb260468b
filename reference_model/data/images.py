"""Pictures as arrays: decoding, and a data set that keeps small pictures in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from reference_model.data.catalogue import PictureFolder
from reference_model.data.pictures import MEGABYTE, decode_picture
from reference_model.data.table import AttributeTable


class Sample(TypedDict):
    """One picture.

    Attributes:
        image: (3, size, size) uint8.
        target: (M,) float32 in {0, 1}, NaN where the label is missing.
        index: The sample's number in the data set.
    """

    image: Tensor
    target: Tensor
    index: int


def decode_image(path: Path, size: int) -> npt.NDArray[np.uint8]:
    """Read a picture file and scale it to a square; see `decode_picture`.

    Args:
        path: The file.
        size: Side of the result in pixels.

    Returns:
        (3, size, size) uint8, RGB.

    Raises:
        DataError: If the file is missing, or not a whole picture.
    """
    return decode_picture(PictureFolder(path.parent, np.array([path.name])).read(0), size, where=str(path))


class FaceImages(Dataset[Sample]):
    """The pictures and targets of a table.

    Where the decoded pictures need no more than ``memory_mb``, they are all decoded at once, by several threads, and
    stored as uint8; otherwise each is decoded whenever it is requested. The values are the same either way.

    Args:
        table: The pictures; usually one partition, ``table.subset("train")``.
        size: Side in pixels that every picture is scaled to.
        memory_mb: Largest number of megabytes (2^20 bytes) to keep; 0 keeps nothing.
        workers: Threads that decode; by default one a processor.

    Raises:
        ValueError: If ``size`` is not positive or ``memory_mb`` negative.
        DataError: If a picture cannot be read.
    """

    def __init__(self, table: AttributeTable, size: int, *, memory_mb: int = 2048, workers: int | None = None) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {size}")
        if memory_mb < 0:
            raise ValueError(f"memory_mb must be 0 or more, got {memory_mb}")
        self.table = table
        self.size = size
        self.workers = workers or os.cpu_count() or 1
        self.memory_bytes = len(table) * 3 * size * size
        self._pictures = self._decode(range(len(table))) if self.memory_bytes <= memory_mb * MEGABYTE else None

    @property
    def in_memory(self) -> bool:
        """Whether the decoded pictures are stored in memory."""
        return self._pictures is not None

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.table)

    def __getitem__(self, index: int) -> Sample:
        """Return one picture; see `Sample`."""
        row = range(len(self))[index]  # negative numbers count from the end, others raise IndexError
        images, targets = self.batch(np.array([row], dtype=np.int64))
        return {"image": torch.from_numpy(images[0]), "target": torch.from_numpy(targets[0]), "index": row}

    def batch(self, indices: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Return several pictures at once.

        Args:
            indices: (batch,) numbers of the pictures.

        Returns:
            The pictures (batch, 3, size, size) uint8 and the targets (batch, M) float32, both new arrays.
        """
        if self._pictures is not None:
            return self._pictures[indices], self.table.targets[indices]
        return self._decode(np.asarray(indices).tolist()), self.table.targets[indices]

    def _decode(self, rows: Sequence[int]) -> npt.NDArray[np.uint8]:
        pictures = np.empty((len(rows), 3, self.size, self.size), dtype=np.uint8)

        def decode(place: int) -> None:
            pictures[place] = decode_image(self.table.files[rows[place]], self.size)

        if self.workers == 1 or len(rows) < 2:
            for place in range(len(rows)):
                decode(place)
            return pictures
        # Pillow releases the interpreter lock while it decodes and scales.
        with ThreadPoolExecutor(self.workers, thread_name_prefix="decode") as pool:
            for _ in pool.map(decode, range(len(rows))):
                pass
        return pictures
