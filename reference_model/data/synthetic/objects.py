"""Drawn things of 40 classes, in varied colours, sizes, places and surroundings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from reference_model.data.synthetic.canvas import Canvas, Points
from reference_model.data.synthetic.colours import Colour, hue, mix, shade
from reference_model.data.synthetic.parts import Palette, Part, box, disc, line, shape, star

OBJECT_SIZE = 112
"""Side in pixels of a picture of an object."""

OBJECTS: Mapping[str, tuple[Part, ...]] = MappingProxyType(
    {
        "anchor": (
            line("main", 0.2, 0, -0.7, 0, 0.8),
            line("main", 0.2, -0.5, -0.4, 0.5, -0.4),
            line("main", 0.24, -0.8, 0.2, -0.5, 0.7, 0, 0.85, 0.5, 0.7, 0.8, 0.2),
            disc("second", 0, -0.75, 0.2),
        ),
        "apple": (
            disc("main", -0.28, 0.1, 0.5, 0.62),
            disc("main", 0.28, 0.1, 0.5, 0.62),
            line("dark", 0.12, 0, -0.35, 0.1, -0.85),
            disc("second", 0.35, -0.65, 0.3, 0.14),
        ),
        "arrow": (shape("main", -0.9, -0.25, 0.1, -0.25, 0.1, -0.65, 0.95, 0, 0.1, 0.65, 0.1, 0.25, -0.9, 0.25),),
        "ball": (disc("main", 0, 0, 0.85), box("second", -0.83, -0.16, 0.83, 0.16), disc("light", -0.3, -0.45, 0.16)),
        "balloon": (
            disc("main", 0, -0.3, 0.55, 0.68),
            shape("main", -0.12, 0.48, 0, 0.34, 0.12, 0.48),
            line("dark", 0.06, 0, 0.45, 0.12, 0.65, -0.08, 0.82, 0, 1),
        ),
        "banana": (
            shape("main", -0.8, -0.6, -0.55, -0.1, 0.0, 0.25, 0.8, 0.1, 0.9, 0.3, 0.1, 0.7, -0.65, 0.4, -0.95, -0.5),
        ),
        "bell": (
            shape("main", -0.15, -0.8, 0.15, -0.8, 0.45, -0.3, 0.55, 0.4, 0.8, 0.6, -0.8, 0.6, -0.55, 0.4, -0.45, -0.3),
            disc("second", 0, 0.72, 0.18),
            disc("dark", 0, -0.85, 0.12),
        ),
        "bird": (
            disc("main", 0, 0.1, 0.6, 0.4),
            disc("main", 0.55, -0.3, 0.28),
            shape("second", 0.78, -0.38, 1.05, -0.25, 0.78, -0.18),
            shape("second", -0.3, 0, 0.25, 0, -0.25, 0.45),
            shape("main", -0.5, 0, -1.0, -0.3, -0.95, 0.2),
            disc("dark", 0.62, -0.36, 0.06),
        ),
        "boat": (
            shape("main", -0.95, 0.3, 0.95, 0.3, 0.6, 0.8, -0.6, 0.8),
            line("dark", 0.1, 0, 0.3, 0, -0.95),
            shape("second", 0.08, -0.85, 0.75, 0.15, 0.08, 0.15),
            shape("light", -0.08, -0.6, -0.6, 0.15, -0.08, 0.15),
        ),
        "book": (
            shape("main", -0.95, -0.5, 0, -0.35, 0.95, -0.5, 0.95, 0.55, 0, 0.7, -0.95, 0.55),
            shape("light", -0.85, -0.42, -0.04, -0.28, -0.04, 0.58, -0.85, 0.45),
            shape("light", 0.85, -0.42, 0.04, -0.28, 0.04, 0.58, 0.85, 0.45),
        ),
        "bottle": (
            box("main", -0.38, -0.2, 0.38, 0.95),
            shape("main", -0.38, -0.18, -0.14, -0.5, 0.14, -0.5, 0.38, -0.18),
            box("main", -0.14, -0.85, 0.14, -0.45),
            box("dark", -0.18, -1, 0.18, -0.82),
            box("second", -0.38, 0.15, 0.38, 0.6),
        ),
        "butterfly": (
            disc("main", -0.5, -0.35, 0.45, 0.42),
            disc("main", 0.5, -0.35, 0.45, 0.42),
            disc("second", -0.4, 0.4, 0.34, 0.32),
            disc("second", 0.4, 0.4, 0.34, 0.32),
            disc("dark", 0, 0, 0.1, 0.65),
        ),
        "cactus": (
            line("main", 0.36, 0, 0.6, 0, -0.9),
            line("main", 0.24, 0, 0.2, -0.55, 0.2, -0.55, -0.4),
            line("main", 0.24, 0, 0.0, 0.55, 0.0, 0.55, -0.55),
            shape("second", -0.45, 0.55, 0.45, 0.55, 0.32, 1, -0.32, 1),
        ),
        "car": (
            box("main", -0.95, -0.05, 0.95, 0.4),
            shape("main", -0.6, -0.05, -0.4, -0.5, 0.35, -0.5, 0.65, -0.05),
            shape("light", -0.45, -0.08, -0.32, -0.4, 0.28, -0.4, 0.48, -0.08),
            disc("dark", -0.5, 0.42, 0.25),
            disc("dark", 0.5, 0.42, 0.25),
        ),
        "chair": (
            box("main", -0.55, 0, 0.55, 0.2),
            box("main", -0.55, -0.95, -0.38, 0.1),
            box("second", -0.4, -0.9, -0.3, 0.0),
            box("main", -0.55, 0.15, -0.38, 0.95),
            box("main", 0.38, 0.15, 0.55, 0.95),
        ),
        "clock": (
            disc("main", 0, 0, 0.9),
            disc("light", 0, 0, 0.72),
            line("dark", 0.12, 0, 0, 0, -0.55),
            line("dark", 0.12, 0, 0, 0.38, 0.2),
        ),
        "cloud": (
            disc("main", -0.5, 0.15, 0.4, 0.34),
            disc("main", 0.5, 0.15, 0.4, 0.34),
            disc("main", -0.1, -0.15, 0.48),
            box("main", -0.5, 0.1, 0.5, 0.48),
        ),
        "cone": (
            shape("second", -0.45, -0.1, 0.45, -0.1, 0, 1),
            disc("main", 0, -0.4, 0.52, 0.48),
            disc("light", -0.15, -0.6, 0.12),
        ),
        "cross": (box("main", -0.28, -0.9, 0.28, 0.9), box("main", -0.9, -0.28, 0.9, 0.28)),
        "cup": (
            line("main", 0.16, 0.4, -0.3, 0.85, -0.3, 0.85, 0.3, 0.4, 0.3),
            shape("main", -0.65, -0.6, 0.5, -0.6, 0.4, 0.65, -0.55, 0.65),
            disc("dark", -0.08, -0.6, 0.57, 0.13),
        ),
        "drum": (
            box("main", -0.75, -0.35, 0.75, 0.6),
            disc("main", 0, 0.6, 0.75, 0.2),
            disc("light", 0, -0.35, 0.75, 0.22),
            line("second", 0.08, -0.72, -0.2, -0.35, 0.7, 0, -0.1, 0.35, 0.7, 0.72, -0.2),
        ),
        "fish": (
            disc("main", 0.1, 0, 0.68, 0.4),
            shape("second", -0.4, 0, -0.98, -0.45, -0.98, 0.45),
            shape("second", 0, -0.35, 0.3, -0.35, -0.05, -0.7),
            disc("dark", 0.5, -0.1, 0.08),
        ),
        "flag": (
            line("dark", 0.12, -0.7, -0.95, -0.7, 1),
            box("main", -0.66, -0.9, 0.85, 0.1),
            box("second", -0.66, -0.57, 0.85, -0.23),
        ),
        "flower": (
            line("dark", 0.12, 0, 0, 0.05, 1),
            *(disc("main", 0.4 * math.cos(a), -0.3 + 0.4 * math.sin(a), 0.27) for a in np.arange(6) * math.pi / 3),
            disc("second", 0, -0.3, 0.25),
        ),
        "hammer": (line("second", 0.2, 0, -0.5, 0, 1), shape("main", -0.7, -0.8, 0.55, -0.8, 0.75, -0.45, -0.7, -0.35)),
        "heart": (
            disc("main", -0.4, -0.3, 0.45),
            disc("main", 0.4, -0.3, 0.45),
            shape("main", -0.8, -0.12, 0, -0.3, 0.8, -0.12, 0, 0.9),
        ),
        "house": (
            box("main", -0.7, -0.1, 0.7, 0.85),
            shape("second", -0.9, -0.08, 0, -0.9, 0.9, -0.08),
            box("dark", -0.15, 0.3, 0.2, 0.85),
            box("light", 0.33, 0.15, 0.58, 0.42),
        ),
        "key": (
            disc("main", -0.6, 0, 0.36),
            disc("dark", -0.65, 0, 0.16),
            box("main", -0.3, -0.1, 0.95, 0.1),
            box("main", 0.55, 0.05, 0.7, 0.4),
            box("main", 0.8, 0.05, 0.95, 0.35),
        ),
        "kite": (
            shape("main", 0, -0.95, 0.55, -0.25, 0, 0.45, -0.55, -0.25),
            shape("second", 0, -0.95, 0.55, -0.25, 0, -0.25),
            line("dark", 0.07, 0, 0.45, 0.2, 0.6, -0.1, 0.8, 0.1, 1),
        ),
        "ladder": (
            line("main", 0.14, -0.35, -1, -0.45, 1),
            line("main", 0.14, 0.35, -1, 0.45, 1),
            *(line("second", 0.12, -0.4, y, 0.4, y) for y in (-0.7, -0.25, 0.2, 0.65)),
        ),
        "lamp": (
            shape("main", -0.35, -0.9, 0.35, -0.9, 0.7, -0.1, -0.7, -0.1),
            line("dark", 0.14, 0, -0.1, 0, 0.8),
            disc("second", 0, 0.85, 0.45, 0.14),
        ),
        "leaf": (
            shape("main", 0, -0.95, 0.45, -0.5, 0.5, 0.1, 0, 0.75, -0.5, 0.1, -0.45, -0.5),
            line("second", 0.08, 0, -0.7, 0, 1),
        ),
        "moon": (
            shape("main", 0.2, -0.9, -0.5, -0.7, -0.8, 0, -0.5, 0.7, 0.2, 0.9, -0.15, 0.5, -0.28, 0, -0.15, -0.5),
        ),
        "mushroom": (
            box("light", -0.22, 0, 0.22, 0.9),
            shape("main", -0.9, 0.1, -0.7, -0.5, -0.25, -0.8, 0.25, -0.8, 0.7, -0.5, 0.9, 0.1),
            disc("second", -0.35, -0.35, 0.15),
            disc("second", 0.3, -0.25, 0.17),
        ),
        "rocket": (
            shape("main", 0, -1, 0.32, -0.5, 0.32, 0.5, -0.32, 0.5, -0.32, -0.5),
            shape("second", -0.32, 0.1, -0.7, 0.7, -0.32, 0.5),
            shape("second", 0.32, 0.1, 0.7, 0.7, 0.32, 0.5),
            disc("light", 0, -0.3, 0.16),
            shape("second", -0.2, 0.5, 0.2, 0.5, 0, 1),
        ),
        "snail": (
            shape("second", -0.9, 0.75, -0.2, 0.45, 0.6, 0.5, 0.75, -0.1, 0.98, 0, 0.85, 0.75),
            disc("main", -0.1, 0, 0.6),
            disc("dark", -0.1, 0, 0.36),
            disc("main", -0.1, 0, 0.2),
        ),
        "star": (star("main", 5, 0.4),),
        "table": (
            shape("main", -0.65, -0.4, 0.65, -0.4, 0.95, 0, -0.95, 0),
            box("second", -0.85, 0, -0.68, 0.9),
            box("second", 0.68, 0, 0.85, 0.9),
        ),
        "tree": (
            box("dark", -0.13, 0.2, 0.13, 1),
            disc("main", 0, -0.35, 0.6, 0.55),
            disc("main", -0.38, 0, 0.38),
            disc("main", 0.38, 0, 0.38),
        ),
        "umbrella": (
            shape("main", -0.95, 0, -0.75, -0.5, -0.3, -0.8, 0.3, -0.8, 0.75, -0.5, 0.95, 0),
            shape("second", -0.3, 0, 0, -0.8, 0.3, 0),
            line("dark", 0.1, 0, 0, 0, 0.8, 0.15, 0.95, 0.3, 0.8),
        ),
    }
)
"""The parts of each class's thing, from back to front."""


def draw_object(name: str, generator: np.random.Generator) -> Image.Image:
    """Draw a thing of a class.

    Args:
        name: A key of `OBJECTS`.
        generator: Of all that varies: colours, size, turn, proportions, place and background.

    Returns:
        An RGB picture of 112 x 112 pixels.
    """
    canvas = Canvas(_background(generator), size=(OBJECT_SIZE, OBJECT_SIZE), pose=_pose(generator))
    main = _colour(generator)
    palette: Palette = {
        "main": main,
        "second": _colour(generator),
        "dark": shade(mix(main, _colour(generator), 0.5), 0.3),
        "light": mix(main, (250.0, 250.0, 245.0), 0.8),
    }
    bend = float(generator.uniform(-0.15, 0.15))
    for part in OBJECTS[name]:
        part.draw(canvas, palette, bend=bend)
    return canvas.finish()


def _pose(generator: np.random.Generator) -> tuple[Points, Points]:
    size = OBJECT_SIZE / 2 * generator.uniform(0.45, 0.85)
    stretch, turn, mirror = generator.uniform(-0.15, 0.15), generator.uniform(-0.5, 0.5), generator.choice((-1, 1))
    cosine, sine = math.cos(turn), math.sin(turn)
    matrix = np.diag([mirror * size * (1 + stretch), size * (1 - stretch)]) @ np.array(
        [[cosine, sine], [-sine, cosine]]
    )
    room = max(0.0, OBJECT_SIZE / 2 - size)
    return matrix, OBJECT_SIZE / 2 + generator.uniform(-room, room, 2)


def _background(generator: np.random.Generator) -> Image.Image:
    """Return patches of two muted colours, to be stretched over the picture."""
    first, second = (_muted(generator) for _ in range(2))
    share = generator.random((*generator.integers(1, 6, 2).tolist(), 1))
    return Image.fromarray((first + share * (second - first)).round().astype(np.uint8), "RGB")


def _muted(generator: np.random.Generator) -> Points:
    saturation, value = generator.uniform((0.1, 0.35), (0.5, 0.85)).tolist()
    return np.array(hue(float(generator.random()), saturation, value))


def _colour(generator: np.random.Generator) -> Colour:
    return hue(float(generator.random()), float(generator.uniform(0.4, 1.0)), float(generator.uniform(0.3, 1.0)))
