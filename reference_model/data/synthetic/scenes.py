"""Drawn places of 16 classes, without people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from reference_model.data.synthetic.canvas import Canvas, Points
from reference_model.data.synthetic.colours import Colour, hue, mix, shade

SCENE_SIZE = 112
"""Side in pixels of a picture of a place."""

_SIDE = float(SCENE_SIZE)
_UPRIGHT = (np.eye(2), np.zeros(2))
_GREEN, _BLUE, _SAND, _GREY, _WOOD = 0.3, 0.58, 0.12, 0.6, 0.08
Generator = np.random.Generator


def draw_scene(name: str, generator: Generator) -> Image.Image:
    """Draw a place of a class.

    Args:
        name: A key of `SCENES`.
        generator: Of all that varies: colours, shapes and light.

    Returns:
        An RGB picture of 112 x 112 pixels.
    """
    top, bottom = _tone(generator, _BLUE, 0.2, 0.9), _tone(generator, _BLUE, 0.1, 0.95)
    sky = np.array([[top], [mix(top, bottom, 0.5)], [bottom]]).round().astype(np.uint8)
    canvas = Canvas(Image.fromarray(sky, "RGB"), size=(SCENE_SIZE, SCENE_SIZE), pose=_UPRIGHT)
    SCENES[name](canvas, generator)
    return canvas.finish()


def _tone(generator: Generator, tint: float, saturation: float, value: float) -> Colour:
    """Return a colour near the one named."""
    drawn = generator.uniform(-1.0, 1.0, 3)
    strong, bright = saturation + 0.12 * drawn[1], value + 0.15 * drawn[2]
    return hue(float((tint + 0.05 * drawn[0]) % 1), float(np.clip(strong, 0, 1)), float(np.clip(bright, 0.05, 1)))


def _box(canvas: Canvas, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    canvas.polygon(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), colour)


def _ridge(canvas: Canvas, generator: Generator, level: float, height: float, colour: Colour, *, points: int) -> None:
    """Fill everything below an uneven line; few points give peaks, many give waves."""
    x = np.linspace(-2, _SIDE + 2, points)
    y = level - height * generator.random(points)
    canvas.polygon(np.concatenate([np.stack([x, y], axis=1), [(_SIDE + 2, _SIDE + 2), (-2, _SIDE + 2)]]), colour)


def _wave(generator: Generator, level: float, height: float) -> Points:
    """Return a rounded line from left to right."""
    x = np.linspace(-2, _SIDE + 2, 24)
    length, phase = generator.uniform(25, 60), generator.uniform(0, 6.3)
    return np.stack([x, level + height * np.sin(2 * np.pi * x / length + phase)], axis=1)


def _fill_below(canvas: Canvas, edge: Points, colour: Colour) -> None:
    canvas.polygon(np.concatenate([edge, [(_SIDE + 2, _SIDE + 2), (-2, _SIDE + 2)]]), colour)


def _sky(canvas: Canvas, generator: Generator) -> None:
    for _ in range(int(generator.integers(3, 7))):
        x, y, size = generator.uniform(0, _SIDE), generator.uniform(5, _SIDE - 5), generator.uniform(8, 18)
        for dx in (-0.8, 0.0, 0.8):
            canvas.ellipse(x + dx * size, y - 4 * (dx == 0), size, 0.5 * size, (250, 250, 252), 0.85)


def _hills(canvas: Canvas, generator: Generator) -> None:
    for level in (55, 75, 92):
        _fill_below(canvas, _wave(generator, level, 7), _tone(generator, _GREEN, 0.6, 0.6))


def _mountains(canvas: Canvas, generator: Generator) -> None:
    for level, snow in ((70, 0.5), (100, 0.0)):
        colour = mix(_tone(generator, _GREY, 0.15, 0.45), (245, 245, 250), snow)
        _ridge(canvas, generator, level, 50, colour, points=7)


def _sea(canvas: Canvas, generator: Generator) -> None:
    colour, level = _tone(generator, 0.55, 0.7, 0.6), generator.uniform(35, 60)
    _box(canvas, -2, level, _SIDE + 2, _SIDE + 2, colour)
    for y in np.arange(level + 6, _SIDE, 9):
        canvas.stroke(_wave(generator, y, 1.6), 1.8, mix(colour, (255, 255, 255), 0.45))


def _beach(canvas: Canvas, generator: Generator) -> None:
    level = generator.uniform(30, 45)
    _box(canvas, -2, level, _SIDE + 2, _SIDE + 2, _tone(generator, 0.55, 0.6, 0.7))
    _fill_below(canvas, _wave(generator, level + 28, 5), _tone(generator, _SAND, 0.4, 0.9))


def _desert(canvas: Canvas, generator: Generator) -> None:
    canvas.ellipse(generator.uniform(20, 90), generator.uniform(12, 30), 8, 8, (255, 236, 150))
    for level in (60, 80, 98):
        _fill_below(canvas, _wave(generator, level, 6), _tone(generator, 0.1, 0.6, 0.8))


def _forest(canvas: Canvas, generator: Generator) -> None:
    _box(canvas, -2, 70, _SIDE + 2, _SIDE + 2, _tone(generator, _GREEN, 0.5, 0.35))
    for x in np.sort(generator.uniform(0, _SIDE, 14)):
        size, foot = generator.uniform(14, 24), generator.uniform(75, 108)
        _box(canvas, x - 2, foot - 20, x + 2, foot, _tone(generator, _WOOD, 0.5, 0.35))
        leaves = np.array([(x - size / 2, foot - 14), (x, foot - 14 - 2.4 * size), (x + size / 2, foot - 14)])
        canvas.polygon(leaves, _tone(generator, _GREEN + 0.05, 0.6, 0.4))


def _field(canvas: Canvas, generator: Generator) -> None:
    _box(canvas, -2, 45, _SIDE + 2, _SIDE + 2, _tone(generator, 0.18, 0.6, 0.7))
    furrow, middle = _tone(generator, 0.2, 0.6, 0.4), generator.uniform(30, 80)
    for x in np.linspace(-160, _SIDE + 160, 14):
        canvas.stroke(np.array([(middle + 0.1 * (x - middle), 45), (x, _SIDE)]), np.array([1.0, 5.0]), furrow)


def _road(canvas: Canvas, generator: Generator) -> None:
    _box(canvas, -2, 50, _SIDE + 2, _SIDE + 2, _tone(generator, _GREEN, 0.5, 0.55))
    middle = generator.uniform(35, 75)
    canvas.polygon(np.array([(middle - 3, 50), (middle + 3, 50), (95, _SIDE), (15, _SIDE)]), (88, 88, 94))
    for y in (58, 70, 86, 104):
        x = middle + (55 - middle) * (y - 50) / 62
        canvas.stroke(np.array([(x, y), (x, y + 0.1 * y)]), 0.04 * y, (240, 236, 200))


def _skyline(canvas: Canvas, generator: Generator) -> None:
    night = float(generator.random()) < 0.5
    if night:
        _box(canvas, -2, -2, _SIDE + 2, _SIDE + 2, _tone(generator, 0.65, 0.6, 0.2))
    left = -4.0
    while left < _SIDE:
        width, top = generator.uniform(10, 22), generator.uniform(20, 75)
        colour = shade(_tone(generator, _GREY, 0.15, 0.55), 0.5 if night else 1.0)
        _box(canvas, left, top, left + width, _SIDE + 2, colour)
        for y in np.arange(top + 4, _SIDE, 9):
            for x in np.arange(left + 3, left + width - 3, 6):
                lit = float(generator.random()) < 0.5
                _box(canvas, x, y, x + 3, y + 4, (250, 232, 140) if lit else shade(colour, 0.6))
        left += width


def _street(canvas: Canvas, generator: Generator) -> None:
    _box(canvas, -2, 85, _SIDE + 2, _SIDE + 2, (96, 96, 100))
    for left in np.arange(-6, _SIDE, 30):
        colour, top = (
            hue(float(generator.random()), 0.35, float(generator.uniform(0.5, 0.9))),
            generator.uniform(25, 45),
        )
        _box(canvas, left, top, left + 29, 85, colour)
        canvas.polygon(
            np.array([(left - 1, top), (left + 14, top - 14), (left + 30, top)]), _tone(generator, 0.03, 0.6, 0.5)
        )
        for x in (left + 5, left + 18):
            _box(canvas, x, top + 8, x + 7, top + 18, (214, 230, 240))
        _box(canvas, left + 11, 66, left + 18, 85, shade(colour, 0.4))


def _bridge(canvas: Canvas, generator: Generator) -> None:
    _box(canvas, -2, 70, _SIDE + 2, _SIDE + 2, _tone(generator, 0.55, 0.6, 0.55))
    stone, deck = _tone(generator, 0.08, 0.2, 0.6), generator.uniform(48, 58)
    _box(canvas, -2, deck, _SIDE + 2, deck + 8, stone)
    for x in (8, 40, 72, 104):
        _box(canvas, x - 4, deck, x + 4, 98, shade(stone, 0.85))
    for x in (24, 56, 88):
        angles = np.linspace(np.pi, 2 * np.pi, 12)
        arch = np.stack([x + 12 * np.cos(angles), deck + 22 + 12 * np.sin(angles)], axis=1)
        canvas.stroke(arch, 4.0, stone)


def _room(canvas: Canvas, generator: Generator) -> None:
    wall = hue(float(generator.random()), 0.25, float(generator.uniform(0.6, 0.95)))
    floor = generator.uniform(72, 85)
    _box(canvas, -2, -2, _SIDE + 2, floor, wall)
    _box(canvas, -2, floor, _SIDE + 2, _SIDE + 2, _tone(generator, _WOOD, 0.5, 0.55))
    x = generator.uniform(12, 62)
    _box(canvas, x, 16, x + 32, 48, (246, 246, 240))
    _box(canvas, x + 3, 19, x + 29, 45, _tone(generator, _BLUE, 0.3, 0.9))
    seat = hue(float(generator.random()), 0.6, 0.6)
    _box(canvas, 95 - x, 62, 95 - x + 40, 96, seat)
    _box(canvas, 90 - x, 74, 90 - x + 50, 100, shade(seat, 0.8))


def _corridor(canvas: Canvas, generator: Generator) -> None:
    wall, middle = hue(float(generator.random()), 0.15, float(generator.uniform(0.5, 0.9))), generator.uniform(45, 67)
    far = (middle - 12, 42.0, middle + 12, 68.0)
    _box(canvas, -2, -2, _SIDE + 2, _SIDE + 2, wall)
    corners = [(-2, _SIDE + 2), (_SIDE + 2, _SIDE + 2), (far[2], far[3]), (far[0], far[3])]
    canvas.polygon(np.array(corners), _tone(generator, _WOOD, 0.3, 0.5))
    canvas.polygon(np.array([(-2, -2), (_SIDE + 2, -2), (far[2], far[1]), (far[0], far[1])]), shade(wall, 1.15))
    _box(canvas, *far, shade(wall, 0.6))
    for side in (-1, 1):
        for near, away in ((0.25, 0.4), (0.55, 0.65)):
            x = [middle + side * (12 + 46 * (1 - place)) for place in (near, away)]
            y = [52 - 40 * (1 - near), 52 - 40 * (1 - away), 62 + 40 * (1 - away), 64 + 46 * (1 - near)]
            canvas.polygon(np.array([(x[0], y[0]), (x[1], y[1]), (x[1], y[2]), (x[0], y[3])]), shade(wall, 0.45))


def _library(canvas: Canvas, generator: Generator) -> None:
    wood = _tone(generator, _WOOD, 0.5, 0.4)
    _box(canvas, -2, -2, _SIDE + 2, _SIDE + 2, wood)
    for shelf in np.arange(4, _SIDE, 27):
        left = 3.0
        while left < _SIDE - 6:
            width, top = generator.uniform(3, 8), shelf + generator.uniform(0, 7)
            _box(canvas, left, top, left + width, shelf + 22, hue(float(generator.random()), 0.6, 0.6))
            left += width + 0.6


def _garden(canvas: Canvas, generator: Generator) -> None:
    _box(canvas, -2, 35, _SIDE + 2, _SIDE + 2, _tone(generator, _GREEN, 0.6, 0.5))
    for x in np.arange(2, _SIDE, 9):
        _box(canvas, x, 30, x + 5, 52, (238, 234, 224))
    for _ in range(40):
        x, y = generator.uniform(0, _SIDE), generator.uniform(56, _SIDE)
        canvas.ellipse(x, y, 2.8, 2.8, hue(float(generator.random()), 0.7, 0.95))


SCENES: Mapping[str, Callable[[Canvas, Generator], None]] = MappingProxyType(
    {
        "beach": _beach,
        "bridge": _bridge,
        "corridor": _corridor,
        "desert": _desert,
        "field": _field,
        "forest": _forest,
        "garden": _garden,
        "hills": _hills,
        "library": _library,
        "mountains": _mountains,
        "road": _road,
        "room": _room,
        "sea": _sea,
        "sky": _sky,
        "skyline": _skyline,
        "street": _street,
    }
)
"""What draws each class's place."""
