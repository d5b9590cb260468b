"""A drawing surface with coordinates of its own, drawn at twice the size so that edges come out smooth."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from reference_model.data.synthetic.colours import Colour
from reference_model.data.synthetic.scene import HEIGHT, WIDTH, Scene

Points = npt.NDArray[np.float64]

OVERSAMPLING = 2
_ANGLES = np.linspace(0, 2 * math.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def pose_matrix(scene: Scene) -> tuple[Points, Points]:
    """Return the matrix (2, 2) and the offset (2,) that take a face's points to the picture: p @ matrix + offset."""
    cosine, sine = scene.scale * math.cos(scene.rotation), scene.scale * math.sin(scene.rotation)
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    centre = np.array([WIDTH / 2, HEIGHT / 2])
    return matrix, centre + np.array([scene.shift_x, scene.shift_y]) - centre @ matrix


class Canvas:
    """A picture in progress; shapes are given in coordinates of their own, for a face those of an upright, centred one.

    Args:
        background: The picture to draw on, of any size; it is stretched to the canvas.
        size: Width and height in pixels of the finished picture.
        pose: The matrix (2, 2) and the offset (2,) that take shapes to the picture: p @ matrix + offset.
    """

    def __init__(self, background: Image.Image, *, size: tuple[int, int], pose: tuple[Points, Points]) -> None:
        width, height = size
        self.image = background.resize((width * OVERSAMPLING, height * OVERSAMPLING), Image.Resampling.BICUBIC)
        self._draw = ImageDraw.Draw(self.image, "RGBA")
        matrix, offset = pose
        self._matrix, self._offset = matrix * OVERSAMPLING, offset * OVERSAMPLING

    def polygon(self, points: Points, colour: Colour, alpha: float = 1.0) -> None:
        """Fill the polygon with corners ``points`` (n, 2), n at least 3, mixing ``alpha`` of ``colour`` in."""
        opacity = round(255 * min(1.0, alpha))
        if opacity <= 0:
            return
        corners = (points @ self._matrix + self._offset).ravel().tolist()
        fill = (round(colour[0]), round(colour[1]), round(colour[2]), opacity)
        self._draw.polygon(corners, fill=fill)

    def ellipse(self, x: float, y: float, radius_x: float, radius_y: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an upright ellipse around (x, y)."""
        self.polygon(_CIRCLE * (radius_x, radius_y) + (x, y), colour, alpha)

    def stroke(
        self, points: Points, width: float | npt.NDArray[np.float64], colour: Colour, alpha: float = 1.0
    ) -> None:
        """Draw a line through ``points`` (n, 2), ``width`` wide: one number, or one a point."""
        if alpha <= 0:
            return
        along = np.empty_like(points)
        along[1:-1] = points[2:] - points[:-2]
        along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
        length = np.hypot(along[:, 0], along[:, 1])
        sideways = np.stack([-along[:, 1], along[:, 0]], axis=1) * (np.asarray(width) / 2 / length)[:, None]
        self.polygon(np.concatenate([points + sideways, (points - sideways)[::-1]]), colour, alpha)

    def finish(self) -> Image.Image:
        """Return the picture at its final size."""
        return self.image.reduce(OVERSAMPLING)


def curve(points: list[tuple[float, float]], count: int = 12) -> Points:
    """Return ``count`` points (count, 2) on the Bézier curve of two or three control points beyond the first."""
    t = np.linspace(0.0, 1.0, count)[:, None]
    p = np.asarray(points, dtype=np.float64)
    if len(p) == 3:
        return (1 - t) ** 2 * p[0] + 2 * t * (1 - t) * p[1] + t**2 * p[2]
    if len(p) == 4:
        return (1 - t) ** 3 * p[0] + 3 * t * (1 - t) ** 2 * p[1] + 3 * t**2 * (1 - t) * p[2] + t**3 * p[3]
    raise ValueError(f"expected 3 or 4 control points, got {len(p)}")
