"""Eyes, brows, bags, make-up and glasses."""

from __future__ import annotations

import numpy as np

from reference_model.data.synthetic.canvas import Canvas, curve
from reference_model.data.synthetic.colours import Colour, mix, shade
from reference_model.data.synthetic.face import Face

_IRISES: tuple[Colour, ...] = ((92, 60, 34), (60, 96, 140), (70, 110, 70), (40, 30, 26))
_LASHES: Colour = (26, 18, 18)


def draw_eyes(canvas: Canvas, face: Face) -> None:
    """Draw both eyes, with bags and make-up."""
    for side in (-1, 1):
        x = face.inner_x + side * face.eye_gap
        _draw_bag(canvas, face, x)
        _draw_makeup(canvas, face, x, side)
        _draw_eye(canvas, face, x, side)


def _draw_bag(canvas: Canvas, face: Face, x: float) -> None:
    amount = face.traits.present("Bags_Under_Eyes")
    if not amount:
        return
    y = face.eye_y
    upper = curve([(x - 11, y + 6), (x, y + 12), (x + 11, y + 6)], 8)
    lower = curve([(x + 11, y + 7), (x, y + 22), (x - 11, y + 7)], 8)
    canvas.polygon(np.concatenate([upper, lower]), mix(shade(face.skin, 0.5), (84, 50, 96), 0.35), 0.8 * amount)


def _draw_makeup(canvas: Canvas, face: Face, x: float, side: int) -> None:
    amount = face.traits.present("Heavy_Makeup")
    if not amount:
        return
    y = face.eye_y
    upper = curve([(x - side * 12, y - 1), (x, y - 22), (x + side * 17, y - 5)], 9)
    lower = curve([(x + side * 15, y - 2), (x, y - 9), (x - side * 12, y + 1)], 7)
    canvas.polygon(np.concatenate([upper, lower]), (112, 48, 168), 0.75 * amount)
    wing = curve([(x - side * 11, y), (x, y - 9), (x + side * 17, y - 5)], 8)
    canvas.stroke(wing, 3.0, (12, 8, 14), amount)


def _draw_eye(canvas: Canvas, face: Face, x: float, side: int) -> None:
    y, traits = face.eye_y, face.traits
    half = 10 + 1.7 * face.person.eye_size
    height = (6.6 + 1.2 * face.person.eye_size) * (1 - 0.68 * traits.present("Narrow_Eyes"))
    upper = curve([(x - half, y + 1), (x, y - 2 * height), (x + half, y + 1)], 9)
    lower = curve([(x + half, y + 1), (x, y + 2 * height - 1), (x - half, y + 1)], 9)
    canvas.polygon(np.concatenate([upper, lower]), (246, 244, 240))
    iris = _IRISES[face.person.eye_colour]
    tall = min(4.8, 0.9 * height)
    canvas.ellipse(x, y, 4.8, tall, iris)
    canvas.ellipse(x, y, 2.3, min(2.3, 0.7 * tall), (10, 8, 10))
    canvas.stroke(upper, 1.8, _LASHES)
    charm = traits.present("Attractive")
    if charm:
        canvas.ellipse(x + 1.8, y - 0.35 * tall, 1.7, min(1.7, 0.4 * tall), (255, 255, 255), charm)
        for place in (0.55, 1.0):
            root_x, root_y = x + side * half * place, y - height * (1 - place**2)
            lash = np.array([(root_x, root_y), (root_x + 4.0 * side, root_y - 5.0)])
            canvas.stroke(lash, 1.4, _LASHES, charm)


def draw_brows(canvas: Canvas, face: Face) -> None:
    """Draw the brows: level or arched, thin or bushy."""
    traits = face.traits
    colour = mix(shade(face.skin, 0.3), (44, 30, 24), 0.6)
    base = face.eye_y - 15.5 - 1.8 * face.person.brow_height
    arch, thick = (
        traits.present("Arched_Eyebrows"),
        3.0 + 0.9 * face.person.brow_thickness + 4.6 * traits.present("Bushy_Eyebrows"),
    )
    droop = 2.6 * face.person.brow_slant
    taper = np.array([0.7, 1.0, 1.1, 1.15, 1.1, 1.0, 0.85, 0.65, 0.4])
    for side in (-1, 1):
        x = face.inner_x + side * face.eye_gap
        line = curve(
            [
                (x - side * 12, base + 0.5 + 3 * arch - droop),
                (x + side * 1, base - 2 - 7 * arch),
                (x + side * 7, base - 2 - 9 * arch),
                (x + side * 14.5, base + 1 + 5 * arch + droop),
            ],
            9,
        )
        canvas.stroke(line, thick * taper, colour)


def draw_glasses(canvas: Canvas, face: Face) -> None:
    """Draw glasses with dark frames."""
    amount = face.traits.present("Eyeglasses")
    if not amount:
        return
    frame: Colour = (18, 18, 24)
    y, x = face.eye_y + 1, face.inner_x
    angles = np.linspace(0, 2 * np.pi, 21)
    for side in (-1, 1):
        centre = x + side * face.eye_gap
        # A rounded rectangle: a superellipse of power 4.
        cosine, sine = np.cos(angles), np.sin(angles)
        rim = np.stack(
            [
                centre + 15.5 * np.sign(cosine) * np.abs(cosine) ** 0.5,
                y + 12 * np.sign(sine) * np.abs(sine) ** 0.5,
            ],
            axis=1,
        )
        canvas.polygon(rim, (190, 215, 235), 0.22 * amount)
        canvas.stroke(rim, 3.0, frame, amount)
        arm = np.array([(centre + side * 15, y - 5), (face.x + side * (face.half_width + 3), y - 4)])
        canvas.stroke(arm, 3.0, frame, amount)
    gap = face.eye_gap - 15
    canvas.stroke(curve([(x - gap, y - 3), (x, y - 7), (x + gap, y - 3)], 6), 3.0, frame, amount)
