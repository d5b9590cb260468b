"""Five-point alignment: bring a face to where it lies in CelebA's aligned pictures, from landmarks in a file.

The landmarks come from somewhere else; nothing here finds a face. As in the data set authors' own alignment, the two
eyes and the middle between the corners of the mouth decide, by the similarity transform (turn, scale and shift) of
least squares; the nose is read and not used. What lies outside of the picture repeats its border.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from reference_model.data.errors import DataError

POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
"""The landmarks in the order of the file's columns; left is left in the picture."""

ALIGNED_SIZE = (178, 218)
"""Width and height of CelebA's aligned pictures."""

TEMPLATE = ((69.745, 111.0), (107.237, 111.0), (88.432, 152.514))
"""Where the left eye, the right eye and the middle of the mouth lie in an aligned picture, in pixels from the centre of
the upper left one (the data set's authors count from 1)."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks of pictures.

    Args:
        path: The file.
        points: By file name, (5, 2): x and y of `POINTS` in pixels, in the upright picture.
    """

    path: Path
    points: Mapping[str, Points]


def read_landmarks(path: Path) -> Landmarks:
    """Read landmarks in the format of ``list_landmarks_align_celeba``, as text or CSV.

    The text form has the number of rows in its first line, the names lefteye_x, lefteye_y, righteye_x ... in its
    second, and then a row a picture: its name and ten numbers. The CSV form has a header and commas.

    Raises:
        DataError: If the file is not such a list, is cut off, or has a picture twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8") from error
    rows = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    declared = int(rows.pop(0)[1]) if rows and rows[0][1].isdecimal() else None
    columns = [f"{name}_{axis}" for name in POINTS for axis in "xy"]
    header = [name.strip('"').lower() for name in re.split(r"[,\s]+", rows.pop(0)[1])] if rows else []
    if header[-len(columns) :] != columns:
        raise DataError(
            f"{path}: expected a line with the names {', '.join(columns)}, as in CelebA's list_landmarks_align_celeba; "
            f"got {' '.join(header)[:80] or 'none'}"
        )
    points: dict[str, Points] = {}
    for number, line in rows:
        name, values = _split_row(line, len(columns), f"{path}, line {number}")
        if name in points:
            raise DataError(f"{path}, line {number}: {name} is there twice")
        points[name] = values.reshape(len(POINTS), 2)
    if declared is not None and declared != len(points):
        raise DataError(
            f"{path}: the first line declares {declared} rows and there are {len(points)}; the file may be cut off"
        )
    return Landmarks(path, points)


def _split_row(line: str, count: int, where: str) -> tuple[str, Points]:
    parts = line.rsplit(",", count) if "," in line else line.rsplit(None, count)
    try:
        values = np.array([float(part) for part in parts[1:]])
    except ValueError:
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise DataError(f"{where}: expected the name of a picture and {count} numbers, got {line[:80]!r}")
    return parts[0].strip().strip('"'), values


def similarity(source: Points, target: Points) -> tuple[Points, Points]:
    """Return the similarity transform A p + b of least squares from some points to others.

    Args:
        source: (N, 2), not all equal.
        target: (N, 2).

    Returns:
        A, (2, 2), a turn times a scale, without reflection; and b, (2,).

    Example:
        >>> matrix, shift = similarity(np.array([[0.0, 0], [1, 0]]), np.array([[1.0, 1], [1, 3]]))
        >>> matrix @ [1, 0] + shift
        array([1., 3.])
    """
    middle, wanted = source.mean(axis=0), target.mean(axis=0)
    # As complex numbers a turn times a scale is one factor.
    before, after = (source - middle) @ [1, 1j], (target - wanted) @ [1, 1j]
    factor = (before.conj() @ after) / (before.conj() @ before)
    matrix = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return matrix, wanted - matrix @ middle


def align_face(picture: Image.Image, points: Points, *, where: str) -> Image.Image:
    """Turn, scale and cut a picture so that its face lies where CelebA's aligned pictures have it.

    Args:
        picture: The upright picture in RGB.
        points: (5, 2): its landmarks.
        where: The place of the picture, for messages.

    Returns:
        A picture of 178 x 218 pixels.

    Raises:
        DataError: If the landmarks are no upright or turned face inside the picture.
    """
    eyes_and_mouth = np.stack([points[0], points[1], points[3:].mean(axis=0)])
    across, down = eyes_and_mouth[1] - eyes_and_mouth[0], eyes_and_mouth[2] - eyes_and_mouth[0]
    if across[0] * down[1] - across[1] * down[0] <= 0:
        raise DataError(
            f"{where}: its landmarks are no face that is merely turned: the eyes have changed places (left is left in "
            "the picture), or the points lie on a line"
        )
    middle = eyes_and_mouth.mean(axis=0)
    if not ((middle >= 0) & (middle < picture.size)).all():
        raise DataError(f"{where}: its landmarks lie outside of the picture, which is {picture.size} pixels large")
    # From the aligned picture to this one.
    matrix, shift = similarity(np.array(TEMPLATE), eyes_and_mouth)
    factor = max(1, int(np.hypot(*matrix[:, 0])))
    if factor > 1:  # average first, or fine detail would turn into noise
        picture = picture.reduce(factor)
    # Pillow counts from the corner of a pixel, landmarks from its centre.
    shift = (shift + 0.5 - matrix @ [0.5, 0.5]) / factor
    matrix = matrix / factor
    picture, shift = _extend(picture, matrix, shift)
    numbers = np.column_stack([matrix, shift]).flatten().tolist()
    return picture.transform(ALIGNED_SIZE, Image.Transform.AFFINE, numbers, Image.Resampling.BICUBIC)


def _extend(picture: Image.Image, matrix: Points, shift: Points) -> tuple[Image.Image, Points]:
    """Cut out what an aligned picture needs, and repeat the border where it needs more than there is."""
    width, height = ALIGNED_SIZE
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ matrix.T + shift
    low = np.floor(corners.min(axis=0)).astype(int) - 2
    high = np.ceil(corners.max(axis=0)).astype(int) + 2
    columns, rows = (np.clip(np.arange(low[axis], high[axis]), 0, picture.size[axis] - 1) for axis in (0, 1))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    pixels = np.asarray(picture.crop(box))
    return Image.fromarray(pixels[np.ix_(rows - rows[0], columns - columns[0])]), shift - low
