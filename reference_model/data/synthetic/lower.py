"""Nose, mouth and beard."""

from __future__ import annotations

import numpy as np

from reference_model.data.synthetic.canvas import Canvas, Points, curve
from reference_model.data.synthetic.colours import Colour, mix, shade
from reference_model.data.synthetic.face import Face

_BEARD: Colour = (40, 28, 24)


def draw_nose(canvas: Canvas, face: Face) -> None:
    """Draw the nose: wider with wings if big, a long sharp ridge if pointy."""
    x, y, skin, traits = face.inner_x, face.nose_y, face.skin, face.traits
    big, pointy = traits.present("Big_Nose"), traits.present("Pointy_Nose")
    half = 7.5 + 1.6 * face.person.nose_width + 7.5 * big
    dark = shade(skin, 0.62)
    side = 1 if face.scene.light_side > 0 else -1
    bridge = np.array([(x + side * 3, 100), (x + side * 5, 106), (x + side * half, y), (x + side * 2, y + 1)])
    canvas.polygon(bridge, shade(skin, 0.78), 0.8)
    if big:
        canvas.ellipse(x, y - 2, half * 0.72, 9.5, shade(skin, 0.86), big)
        for wing in (-1, 1):
            canvas.ellipse(x + wing * half * 0.72, y, 6.2, 6.2, shade(skin, 0.74), big)
    for nostril in (-1, 1):
        canvas.ellipse(x + nostril * half * 0.55, y + 2, 2.6 + 1.2 * big, 1.8 + 0.8 * big, shade(skin, 0.36))
    base = curve([(x - half, y + 1), (x, y + 6), (x + half, y + 1)], 7)
    canvas.stroke(base, 1.6, dark)
    if pointy:
        ridge = np.array([(x - 1.2, 94), (x + 1.2, 94), (x + 4.2, y + 1), (x, y + 7.5), (x - 4.2, y + 1)])
        canvas.polygon(ridge, mix(skin, (255, 255, 250), 0.85), 0.9 * pointy)
        tip = np.array([(x - 6.5, y), (x, y + 9.0), (x + 6.5, y)])
        canvas.stroke(tip, 2.4, shade(skin, 0.32), pointy)


def draw_mouth(canvas: Canvas, face: Face) -> None:
    """Draw the lips: thick or thin, painted or not, smiling or not, open or closed."""
    x, y, traits = face.inner_x, face.mouth_y, face.traits
    smile, full, ajar = (traits.present(name) for name in ("Smiling", "Big_Lips", "Mouth_Slightly_Open"))
    natural = mix(shade(face.skin, 0.72), (168, 72, 76), 0.6)
    colour = mix(natural, (206, 12, 44), traits.present("Wearing_Lipstick"))
    half = 14 + 2.6 * face.person.mouth_width + 5.5 * smile
    thick, gap = 3.2 + 0.4 * face.person.lip_fullness + 4.3 * full, 8.0 * ajar
    corner = y - 6.5 * smile + 1.5 * traits.absent("Smiling")
    dip = 2.4 * smile
    left, right = (x - half, corner), (x + half, corner)
    upper_lip = [left, (x - half * 0.4, y + dip - 2.6 * thick), (x + half * 0.4, y + dip - 2.6 * thick), right]
    upper_in = [right, (x + half * 0.4, y + dip - 0.4), (x - half * 0.4, y + dip - 0.4), left]
    lower_in = [left, (x - half * 0.4, y + dip + 1.35 * gap), (x + half * 0.4, y + dip + 1.35 * gap), right]
    low = y + dip + 1.35 * gap + 1.6 * thick
    lower_lip = [right, (x + half * 0.45, low), (x - half * 0.45, low), left]
    if gap:
        inside = np.concatenate([curve(upper_in, 9), curve(lower_in, 9)])
        canvas.polygon(inside, (58, 14, 20), min(1.0, 2 * ajar))
        teeth = [left, (x - half * 0.4, y + dip + 0.55 * gap), (x + half * 0.4, y + dip + 0.55 * gap), right]
        canvas.polygon(np.concatenate([curve(upper_in, 9), curve(teeth, 9)]), (250, 248, 240), ajar)
    canvas.polygon(np.concatenate([curve(upper_lip, 10), curve(upper_in, 8)]), shade(colour, 0.92))
    canvas.polygon(np.concatenate([curve(lower_in, 8), curve(lower_lip, 10)]), colour)
    if not gap:
        canvas.stroke(curve(lower_in, 9), 1.4, shade(colour, 0.45))
    if smile:
        for side in (-1, 1):
            dimple = [
                (x + side * (half + 2), corner - 4),
                (x + side * (half + 5), corner),
                (x + side * (half + 2), corner + 4),
            ]
            canvas.stroke(curve(dimple, 6), 1.6, shade(face.skin, 0.6), smile)


def _jaw(face: Face, start: float, inset: float) -> Points:
    """Return the head's edge from left to right along the jaw, from height ``start`` down."""
    left, right = face.outline((start - face.top) / (face.chin - face.top), 1.0, inset=inset)
    return np.concatenate([left, right[::-1]])


def draw_beard(canvas: Canvas, face: Face) -> None:
    """Draw stubble, the full beard of those who are not without one, goatee and sideburns; all but the moustache."""
    x, traits = face.inner_x, face.traits
    beard = mix(_BEARD, shade(face.skin, 0.4), 0.25)
    stubble = traits.present("5_o_Clock_Shadow")
    if stubble:
        upper = curve([(face.x + face.half_width, 126), (x, 118), (face.x - face.half_width, 126)], 8)
        shadow = mix(shade(face.skin, 0.42), (46, 54, 72), 0.4)
        canvas.polygon(np.concatenate([_jaw(face, 126, 1.0), upper]), shadow, 0.5 * stubble)
    full = traits.absent("No_Beard")
    if full:
        canvas.polygon(np.concatenate([_jaw(face, 124, -1.0), _jaw(face, 124, 9.0)[::-1]]), beard, 0.85 * full)
    goatee = traits.present("Goatee")
    if goatee:
        y = face.mouth_y
        patch = np.array([(-5, y + 8), (5, y + 8), (13, y + 14), (11, face.chin + 3), (0, face.chin + 9)])
        mirrored = np.array([(-11, face.chin + 3), (-13, y + 14)])
        canvas.polygon(np.concatenate([patch, mirrored]) + np.array([x, 0]), shade(beard, 0.7), goatee)
    sideburns = traits.present("Sideburns")
    if sideburns:
        for side in (-1, 1):
            edge = [face.half_width_at(y) for y in (88.0, 108.0, 127.0)]
            strip = np.array(
                [(edge[0] + 1, 88), (edge[1] + 1, 108), (edge[2] + 1, 127), (edge[2] - 9, 125), (edge[0] - 7, 88)]
            )
            canvas.polygon(strip * (side, 1) + (face.x, 0), shade(beard, 0.8), sideburns)


def draw_moustache(canvas: Canvas, face: Face) -> None:
    """Draw a moustache between nose and mouth."""
    amount = face.traits.present("Mustache")
    if not amount:
        return
    x, y = face.inner_x, face.mouth_y
    upper = curve([(x - 19, y - 1), (x - 9, y - 13), (x + 9, y - 13), (x + 19, y - 1)], 12)
    lower = curve([(x + 19, y + 1), (x, y - 8), (x - 19, y + 1)], 8)
    canvas.polygon(np.concatenate([upper, lower]), mix(_BEARD, shade(face.skin, 0.35), 0.2), amount)
