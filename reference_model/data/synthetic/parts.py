"""Parts that drawn objects consist of, as data: discs, polygons and lines in a square from -1 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reference_model.data.synthetic.canvas import Canvas, Points
from reference_model.data.synthetic.colours import Colour

Role = Literal["main", "second", "dark", "light"]
Palette = dict[Role, Colour]

_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


@dataclass(frozen=True, eq=False)
class Part:
    """A shape of one colour.

    Args:
        points: (n, 2) corners of a polygon, or points of a line.
        role: Which colour of the palette.
        width: Width of a line; 0 for a filled polygon.
    """

    points: Points
    role: Role
    width: float = 0.0

    def draw(self, canvas: Canvas, palette: Palette, *, bend: float = 0.0) -> None:
        """Draw the part; ``bend`` moves every point sideways by that much times the square of its height."""
        x, y = self.points[:, 0], self.points[:, 1]
        points = np.stack([x + bend * y**2, y], axis=1)
        if self.width:
            canvas.stroke(points, self.width, palette[self.role])
        else:
            canvas.polygon(points, palette[self.role])


def disc(role: Role, x: float, y: float, radius_x: float, radius_y: float | None = None) -> Part:
    """Return a disc around (x, y), or an ellipse."""
    return Part(_CIRCLE * (radius_x, radius_x if radius_y is None else radius_y) + (x, y), role)


def shape(role: Role, *coordinates: float) -> Part:
    """Return the polygon with the corners x, y, x, y ..."""
    return Part(np.asarray(coordinates, dtype=np.float64).reshape(-1, 2), role)


def box(role: Role, left: float, top: float, right: float, bottom: float) -> Part:
    """Return an upright rectangle."""
    return shape(role, left, top, right, top, right, bottom, left, bottom)


def line(role: Role, width: float, *coordinates: float) -> Part:
    """Return the line through x, y, x, y ..."""
    return Part(np.asarray(coordinates, dtype=np.float64).reshape(-1, 2), role, width)


def star(role: Role, corners: int, inner: float, outer: float = 1.0, *, x: float = 0.0, y: float = 0.0) -> Part:
    """Return a star around (x, y) whose corners lie at two distances in turn, the first of them at the top."""
    angles = np.pi * np.arange(2 * corners) / corners - np.pi / 2
    radius = np.where(np.arange(2 * corners) % 2 == 0, outer, inner)
    return Part(np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1), role)
