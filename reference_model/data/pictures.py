"""Pictures as arrays: decoding from bytes, and batches of any source that survive pictures which cannot be used."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from reference_model.data.catalogue import PictureSource
from reference_model.data.errors import DataError, first_few
from reference_model.data.signatures import describe_impostor

MEGABYTE = 2**20

_BITS, _PHOTOMETRIC = 258, 262
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Unusable:
    """A picture that cannot be used.

    Args:
        row: Its row.
        reason: Where it lies and what is wrong with it.
    """

    row: int
    reason: str


def decode_picture(content: bytes, size: int, *, where: str) -> npt.NDArray[np.uint8]:
    """Decode a picture and scale it to a square, whatever its shape was.

    The whole picture is used (necklaces and hats lie at the borders), so a 178 x 218 picture is squeezed in height. See
    `as_rgb` for other modes than RGB. A rotation noted in the EXIF data is carried out. JPEG files much larger than
    needed are decoded at a half, a quarter or an eighth of their size, which is faster.

    Args:
        content: The encoded picture.
        size: Side of the result in pixels.
        where: The place of the picture, for messages.

    Returns:
        (3, size, size) uint8, RGB.

    Raises:
        DataError: If this is not a whole picture, or one of a kind that has no 8-bit form.
    """
    return square_pixels(decode_upright(content, where=where, at_least=size), size)


def decode_upright(content: bytes, *, where: str, at_least: int | None = None) -> Image.Image:
    """Decode a picture in its own size, turned as its EXIF data says.

    Args:
        content: The encoded picture.
        where: The place of the picture, for messages.
        at_least: Decode JPEG files at a fraction of their size, but with no side below this one.

    Returns:
        The picture in RGB.

    Raises:
        DataError: As `decode_picture`.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if at_least is not None:
                picture.draft("RGB", (at_least, at_least))
            picture.load()
            turn = _TURNS.get(_orientation(picture))
            return as_rgb(picture if turn is None else picture.transpose(turn), picture)
    except MemoryError:  # says nothing of the picture
        raise
    except Exception as error:  # Pillow's plugins raise errors of any class for broken files
        reason = "of no format that is known" if isinstance(error, UnidentifiedImageError) else str(error)
        reason = describe_impostor(content) or reason or type(error).__name__
        raise DataError(f"{where}: not a readable picture ({reason})") from error


def square_pixels(picture: Image.Image, size: int) -> npt.NDArray[np.uint8]:
    """Scale a picture in RGB to a square: (3, size, size) uint8."""
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def as_rgb(picture: Image.Image, opened: Image.Image | None = None) -> Image.Image:
    """Return a picture of any of Pillow's modes in 8-bit RGB.

    Transparency is dropped; 16-bit grey levels are divided by 256; CIE Lab becomes sRGB.

    Args:
        picture: The picture.
        opened: The picture as it was opened, which knows its format; by default ``picture``.

    Raises:
        DataError: If its numbers have no known range: 32-bit grey levels, or fewer than 16 of 16 bits.
    """
    opened = opened or picture
    if picture.mode.startswith("I;16") or (picture.mode == "I" and opened.format == "PPM"):
        tags = getattr(opened, "tag_v2", {})  # of TIFF files
        if tags.get(_BITS, (16,)) != (16,):
            raise DataError(f"{tags[_BITS][0]}-bit grey levels: save it with 8 or 16 bits")
        if tags.get(_PHOTOMETRIC, 1) == 0:
            raise DataError("16-bit grey levels in which 0 is white: save it with 8 bits, or with 0 as black")
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise DataError("32-bit grey levels have no known range: save it with 8 or 16 bits")
    elif picture.mode == "La":
        picture = picture.convert("LA")
    return picture.convert("RGB")


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF data that cannot be read says nothing of a rotation
        return 1


@lru_cache(maxsize=4)
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    """Return the threads that decode for this process; they live as long as it does."""
    return ThreadPoolExecutor(workers, thread_name_prefix="decode")


class PictureBatches:
    """Decoded pictures and targets by row.

    Where the decoded pictures need no more than ``memory_mb``, they are all decoded at once and stored as uint8;
    otherwise each is decoded whenever it is requested. The values are the same either way.

    A picture that cannot be used (missing, broken, a web page) is listed in `unusable`. In its place stands the next
    usable row, of the same class where there are ``classes``, with that row's targets; after the last row comes the
    first. What a batch holds is therefore a function of the data and of the indices alone, whatever was read before, in
    memory or not. Too many are an error: more than the share ``max_unusable`` of all N, wherever they lie.

    Args:
        pictures: N encoded pictures.
        targets: (N, ...) what belongs to them.
        size: Side in pixels that every picture is scaled to.
        memory_mb: Largest number of megabytes (2^20 bytes) to keep; 0 keeps nothing.
        max_unusable: Largest share of pictures that may be unusable, in [0, 1).
        workers: Threads that decode; by default one a processor. All batches of a process share them.
        classes: (N,) int64: the class of each picture, where another class may not stand in for it; None if any may.

    Raises:
        ValueError: If an argument is out of range, or the number of targets is not that of the pictures.
        DataError: If too many pictures cannot be used, or all of a class.

    Attributes:
        unusable: Pictures found to be unusable so far, by row. For pictures that are not in memory these are the ones
            that this process has tried.
    """

    def __init__(
        self,
        pictures: PictureSource,
        targets: npt.NDArray[Any],
        size: int,
        *,
        memory_mb: int = 2048,
        max_unusable: float = 0.05,
        workers: int | None = None,
        classes: npt.NDArray[np.int64] | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {size}")
        if memory_mb < 0:
            raise ValueError(f"memory_mb must be 0 or more, got {memory_mb}")
        if not 0 <= max_unusable < 1:
            raise ValueError(f"max_unusable must be in [0, 1), got {max_unusable}")
        if len(targets) != len(pictures):
            raise ValueError(f"expected {len(pictures)} rows of targets, one a picture, got {len(targets)}")
        self.pictures = pictures
        self.targets = targets
        self.size = size
        self.max_unusable = max_unusable
        self.workers = workers or os.cpu_count() or 1
        self.memory_bytes = len(pictures) * 3 * size * size
        self._next_of_class = None if classes is None else _next_of_class(classes)
        self._reasons: dict[int, str] = {}
        self._tried = np.zeros(len(pictures), dtype=bool)
        self._stored: npt.NDArray[np.uint8] | None = None
        if self.memory_bytes <= memory_mb * MEGABYTE:
            self._stored, rows = self._decode(range(len(pictures)))
            self.targets = targets[rows]

    @property
    def unusable(self) -> tuple[Unusable, ...]:
        """The unusable pictures that were met so far, by row."""
        return tuple(Unusable(row, self._reasons[row]) for row in sorted(self._reasons))

    def __len__(self) -> int:
        """Return the number of pictures, unusable ones included."""
        return len(self.pictures)

    def batch(self, indices: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
        """Return several pictures at once.

        Args:
            indices: (batch,) rows.

        Returns:
            The pictures (batch, 3, size, size) uint8 and their targets (batch, ...), both new arrays.

        Raises:
            DataError: If too many pictures cannot be used, or all of a class.
        """
        if self._stored is not None:
            return self._stored[indices], self.targets[indices]
        images, rows = self._decode(np.asarray(indices).tolist())
        return images, self.targets[rows]

    def _decode(self, requested: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return pictures and their rows: those requested, or the next usable ones."""
        images = np.empty((len(requested), 3, self.size, self.size), dtype=np.uint8)
        rows = np.array([self._usable_row(row) for row in requested], dtype=np.int64)

        def decode(place: int) -> None:
            row = int(rows[place])
            try:
                content = self.pictures.read(row)
                images[place] = decode_picture(content, self.size, where=self.pictures.describe(row))
            except DataError as error:
                self._reasons[row] = str(error)
            self._tried[row] = True

        places = list(range(len(requested)))
        while places:
            if self.workers == 1 or len(places) < 2:
                for place in places:
                    decode(place)
            else:  # Pillow releases the interpreter lock while it decodes and scales
                deque(_pool(self.workers, os.getpid()).map(decode, places), maxlen=0)
            places = [place for place in places if int(rows[place]) in self._reasons]
            self._refuse_too_many()
            rows[places] = [self._usable_row(int(row)) for row in rows[places]]
        return images, rows

    def _usable_row(self, row: int) -> int:
        """Return the first row from ``row`` on, of its class, that is not known to be unusable."""
        first = row
        while row in self._reasons:
            row = (row + 1) % len(self) if self._next_of_class is None else int(self._next_of_class[row])
            if row == first:
                raise DataError(
                    f"no picture of the class of {self.pictures.describe(row)} can be used: {self._reasons[row]}"
                )
        return row

    def _refuse_too_many(self) -> None:
        failed, limit = len(self._reasons), self.max_unusable
        if failed > limit * len(self):
            reasons = [reason for _, reason in sorted(self._reasons.items())]
            raise DataError(
                f"{failed} of {len(self)} pictures cannot be used{self._so_far()}, more than the {limit:.1%} that "
                f"read.max_unusable allows: {first_few(reasons, limit=3)}"
            )

    def _so_far(self) -> str:
        tried = int(self._tried.sum())
        return "" if tried == len(self) else f" ({tried} were tried so far)"


def _next_of_class(classes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for every row the next one of its class; after the last comes the first."""
    following = np.empty(len(classes), dtype=np.int64)
    for value in np.unique(classes):
        rows = np.flatnonzero(classes == value)
        following[rows] = np.roll(rows, -1)
    return following
