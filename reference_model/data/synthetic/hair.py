"""Hair behind and before the head, its colour, cut and texture, and the hat over it."""

from __future__ import annotations

import math

import numpy as np

from reference_model.data.synthetic.canvas import Canvas, Points, curve
from reference_model.data.synthetic.colours import mix, shade
from reference_model.data.synthetic.face import Face

_ARC = np.linspace(math.pi, 2 * math.pi, 25)


def _cover(face: Face) -> float:
    return 1 - face.traits.present("Bald")


def _crown(face: Face, margin: float) -> Points:
    """Return the outer edge of the hair over the head, left to right, wavy hair with bumps."""
    radius_x, radius_y = face.half_width + margin, 60 + margin
    bumps = 4.5 * face.traits.present("Wavy_Hair") * np.sin(7 * (_ARC - math.pi)) ** 2
    return np.stack([face.x + (radius_x + bumps) * np.cos(_ARC), 94 + (radius_y + bumps) * np.sin(_ARC)], axis=1)


def _side(face: Face, low: float, outwards: float) -> Points:
    """Return the outer edge of the right side's hair, downwards from the temple to ``low``."""
    y = np.linspace(94, low, 26)
    wave = 6 * face.traits.present("Wavy_Hair") * np.sin((y - 94) / 22 * 2 * math.pi)
    flare = outwards * np.sin(math.pi / 2 * (y - 94) / (low - 94))
    return np.stack([face.x + face.half_width + 9 + flare + wave, y], axis=1)


def hair_end(face: Face) -> float:
    """Return how far down the hair reaches."""
    return 180 + 14 * face.person.hair_length - 66 * face.traits.present("Male")


def draw_hair_back(canvas: Canvas, face: Face) -> None:
    """Draw the hair that lies behind head and neck."""
    cover = _cover(face)
    if not cover:
        return
    low = hair_end(face)
    right = _side(face, low, 5 * (1 - 0.8 * face.traits.present("Male")))
    left = (right * (-1, 1) + (2 * face.x, 0))[::-1]
    back = shade(face.hair, 0.8)
    canvas.polygon(np.concatenate([_crown(face, 9), right, left]), back, cover)
    _draw_side_strands(canvas, face, low)


def _draw_side_strands(canvas: Canvas, face: Face, low: float) -> None:
    cover, straight = _cover(face), face.traits.present("Straight_Hair")
    wavy = face.traits.present("Wavy_Hair")
    shine, reach = mix(face.hair, (255, 250, 235), 0.38), face.half_width
    for side in (-1, 1):
        if straight:
            for offset in (1, 7.5):
                ends = np.array([(face.x + side * (reach + offset), 92), (face.x + side * (reach + offset), low - 3)])
                canvas.stroke(ends, 2.8, shine, 0.85 * cover * straight)
        if wavy:
            y = np.linspace(96, low - 3, 24)
            x = face.x + side * (reach + 4 + 6 * np.sin((y - 94) / 22 * 2 * math.pi))
            canvas.stroke(np.stack([x, y], axis=1), 3.4, shine, 0.85 * cover * wavy)


def _hairline(face: Face) -> Points:
    """Return the edge between forehead and hair, right to left."""
    receding = face.traits.present("Receding_Hairline")
    reach = face.half_width + 1
    dx = np.array([1.0, 0.97, 0.86, 0.68, 0.5, 0.3, 0.0, -0.3, -0.5, -0.68, -0.86, -0.97, -1.0])
    usual = np.array([100, 88, 78, 70, 65, 62.5, 62, 62.5, 65, 70, 78, 88, 100.0])
    # The temples go back furthest, which leaves a tongue of hair in the middle.
    receded = np.array([98, 82, 66, 51.5, 46.5, 49.5, 55, 49.5, 46.5, 51.5, 66, 82, 98.0])
    lower = 2.2 * face.person.hairline
    return np.stack([face.x + reach * dx, usual + lower + receding * (receded - usual)], axis=1)


def draw_hair_front(canvas: Canvas, face: Face) -> None:
    """Draw the hair over the forehead, its texture, bangs, grey temples of older people, and a bald head's shine."""
    cover, traits, hair = _cover(face), face.traits, face.hair
    bald = traits.present("Bald")
    if bald:
        canvas.ellipse(face.x - 10, 56, 13, 5.5, mix(face.skin, (255, 255, 255), 0.8), 0.8 * bald)
    if not cover:
        return
    canvas.polygon(np.concatenate([_crown(face, 7), _hairline(face)]), hair, cover)
    grey = min(1.0, 1.2 * face.ageing) * cover
    if grey:
        reach = 1.5 + 5.5 * face.ageing
        for side in (-1, 1):
            canvas.ellipse(face.x + side * (face.half_width + 1), 84, reach, 2.4 * reach, (196, 198, 204), grey)
    _draw_crown_strands(canvas, face)
    bangs = traits.present("Bangs") * cover
    if bangs:
        reach = face.half_width - 4
        edge = np.linspace(1, -1, 13)
        tips = 86 - 3.5 * (np.arange(13) % 2) + 3 * edge**2
        fringe = np.stack([face.x + reach * edge, tips], axis=1)
        top = curve([(face.x - reach, 74), (face.x, 40), (face.x + reach, 74)], 9)
        canvas.polygon(np.concatenate([top, fringe]), shade(hair, 0.9), bangs)
        for place in (-0.6, -0.2, 0.2, 0.6):
            ends = np.array([(face.x + 0.75 * reach * place, 62), (face.x + reach * place, 82)])
            canvas.stroke(ends, 2.2, shade(hair, 0.62), 0.8 * bangs)


def _draw_crown_strands(canvas: Canvas, face: Face) -> None:
    cover, x = _cover(face), face.x
    straight, wavy = face.traits.present("Straight_Hair"), face.traits.present("Wavy_Hair")
    shine = mix(face.hair, (255, 250, 235), 0.38)
    for place in (-0.78, -0.4, 0.0, 0.4, 0.78):
        if straight:
            ends = np.array([(x + 34 * place, 36 + 8 * place**2), (x + 46 * place, 56 + 16 * place**2)])
            canvas.stroke(ends, 3.0, shine, 0.8 * cover * straight)
        if wavy:
            along = np.linspace(0, 1, 9)
            curl_x = x + (34 + 12 * along) * place + 4.5 * np.sin(2 * math.pi * along)
            curl_y = 35 + 9 * place**2 + (21 + 8 * place**2) * along
            canvas.stroke(np.stack([curl_x, curl_y], axis=1), 3.4, shine, 0.8 * cover * wavy)


def draw_hat(canvas: Canvas, face: Face) -> None:
    """Draw a hat with a band and a brim."""
    amount = face.traits.present("Wearing_Hat")
    if not amount:
        return
    x, colour = face.x, face.scene.hat
    reach = face.half_width + 5
    dome = curve([(x - reach, 66), (x - reach + 6, -8), (x + reach - 6, -8), (x + reach, 66)], 16)
    canvas.polygon(dome, colour, amount)
    band = np.array([(x - reach, 52), (x + reach, 52), (x + reach, 61), (x - reach, 61)])
    canvas.polygon(band, shade(colour, 0.35), amount)
    canvas.ellipse(x, 64, reach + 15, 6.5, shade(colour, 0.75), amount)
