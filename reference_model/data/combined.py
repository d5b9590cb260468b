"""Pictures of two sources as one, and pictures without a face made from faces: their tiles, shuffled."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from reference_model.data.catalogue import PictureSource, Rows
from reference_model.data.errors import DataError

GRIDS = (4, 5, 6, 7, 8)
"""Into how many tiles a side a picture may be cut."""


@dataclass(frozen=True, eq=False)
class CombinedPictures:
    """Pictures of several sources, in any order.

    Args:
        sources: Each with a name that its pictures' names start with.
        part: (N,) int64: the number of the source of each picture.
        row: (N,) int64: the row there.
    """

    sources: tuple[tuple[str, PictureSource], ...]
    part: Rows
    row: Rows

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.row)

    def read(self, row: int) -> bytes:
        """Return the encoded picture of a row."""
        return self.sources[int(self.part[row])][1].read(int(self.row[row]))

    def name(self, row: int) -> str:
        """Return the source's name and the picture's name there."""
        title, source = self.sources[int(self.part[row])]
        return f"{title}/{source.name(int(self.row[row]))}"

    def describe(self, row: int) -> str:
        """Return where the picture lies."""
        return self.sources[int(self.part[row])][1].describe(int(self.row[row]))

    def take(self, rows: Rows) -> CombinedPictures:
        """Return the pictures of some rows."""
        return CombinedPictures(self.sources, self.part[rows], self.row[rows])


@dataclass(frozen=True, eq=False)
class TilePictures:
    """Pictures cut into square tiles that are put together in another order; which one follows from seed and name.

    A stand-in for pictures without faces, where there are none: the colours and textures of faces, but no face. A net
    may also learn to see the edges of the tiles.

    Args:
        source: The pictures.
        seed: Of the order of the tiles.
    """

    source: PictureSource
    seed: int = 0

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.source)

    def read(self, row: int) -> bytes:
        """Return the shuffled picture, encoded anew without loss."""
        try:
            with Image.open(io.BytesIO(self.source.read(row))) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{self.source.describe(row)}: not a readable picture ({error})") from error
        key = zlib.crc32(self.source.name(row).encode())
        generator = np.random.Generator(np.random.PCG64([self.seed, key]))
        encoded = io.BytesIO()
        Image.fromarray(shuffle_tiles(pixels, generator)).save(encoded, "BMP")
        return encoded.getvalue()

    def name(self, row: int) -> str:
        """Return the picture's name."""
        return self.source.name(row)

    def describe(self, row: int) -> str:
        """Return where the picture lies."""
        return f"{self.source.describe(row)} (shuffled tiles)"

    def take(self, rows: Rows) -> TilePictures:
        """Return the pictures of some rows."""
        return TilePictures(self.source.take(rows), self.seed)


def shuffle_tiles(pixels: npt.NDArray[np.uint8], generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Cut a picture into 4 x 4 to 8 x 8 equal tiles and put them together in another order.

    Args:
        pixels: (height, width, 3); what is left over at the right and the bottom is cut off.
        generator: Decides the number of tiles and their order.

    Raises:
        DataError: If the picture is smaller than the tiles' number.
    """
    side = int(generator.choice(GRIDS))
    height, width = pixels.shape[0] // side, pixels.shape[1] // side
    if min(height, width) < 1:
        raise DataError(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels is too small to be cut into tiles")
    tiles = pixels[: height * side, : width * side].reshape(side, height, side, width, 3).swapaxes(1, 2)
    shuffled = tiles.reshape(side * side, height, width, 3)[generator.permutation(side * side)]
    return np.ascontiguousarray(
        shuffled.reshape(side, side, height, width, 3).swapaxes(1, 2).reshape(height * side, width * side, 3)
    )
