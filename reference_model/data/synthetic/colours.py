"""Colours as red, green and blue in [0, 255]."""

from __future__ import annotations

import colorsys

Colour = tuple[float, float, float]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour that is ``share`` of the way from ``first`` to ``second``."""
    keep = 1 - share
    return (
        keep * first[0] + share * second[0],
        keep * first[1] + share * second[1],
        keep * first[2] + share * second[2],
    )


def shade(colour: Colour, factor: float) -> Colour:
    """Return ``colour`` times ``factor``; above 1 it becomes lighter, up to white."""
    return (min(255.0, colour[0] * factor), min(255.0, colour[1] * factor), min(255.0, colour[2] * factor))


def hue(number: float, saturation: float, value: float) -> Colour:
    """Return the colour of a hue in [0, 1), a saturation in [0, 1] and a value in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(number, saturation, value)
    return (255 * red, 255 * green, 255 * blue)
