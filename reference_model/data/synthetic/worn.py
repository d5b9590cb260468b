"""What is worn at ears and neck."""

from __future__ import annotations

import numpy as np

from reference_model.data.synthetic.canvas import Canvas, curve
from reference_model.data.synthetic.colours import Colour, mix, shade
from reference_model.data.synthetic.face import Face

_GOLD: Colour = (255, 214, 64)
_SILVER: Colour = (226, 238, 255)


def draw_earrings(canvas: Canvas, face: Face) -> None:
    """Draw a ring and a drop at each ear."""
    amount = face.traits.present("Wearing_Earrings")
    if not amount:
        return
    metal = mix(_GOLD, _SILVER, face.scene.silver_earrings)
    for side in (-1, 1):
        x = face.x + side * (face.half_width + 3)
        canvas.ellipse(x, 120, 5.2, 5.2, (40, 30, 20), amount)
        canvas.ellipse(x, 120, 4.0, 4.0, metal, amount)
        canvas.ellipse(x, 132, 5.6, 8.4, (40, 30, 20), amount)
        canvas.ellipse(x, 132, 4.4, 7.2, metal, amount)


def draw_necklace(canvas: Canvas, face: Face) -> None:
    """Draw a string of large beads."""
    amount = face.traits.present("Wearing_Necklace")
    if not amount:
        return
    metal, male = mix(_GOLD, _SILVER, face.scene.silver_necklace), face.traits.present("Male")
    reach = 21 + 6 * male
    beads = curve([(face.x - reach, 182), (face.x, 221 - 6 * male), (face.x + reach, 182)], 11)
    canvas.stroke(beads, 2.0, (60, 44, 24), amount)
    for x, y in beads.tolist():
        canvas.ellipse(x, y, 4.3, 4.3, (70, 50, 30), amount)
        canvas.ellipse(x, y, 3.2, 3.2, metal, amount)


def draw_necktie(canvas: Canvas, face: Face) -> None:
    """Draw a white collar and a tie."""
    amount = face.traits.present("Wearing_Necktie")
    if not amount:
        return
    middle, colour = np.array([face.x, 0.0]), face.scene.tie
    for side in (-1, 1):
        collar = np.array([(0, 192), (29, 180), (36, 192), (20, 216), (14, 240), (0, 240)])
        canvas.polygon(collar * (side, 1) + middle, (244, 244, 248), amount)
        fold = np.array([(2, 194), (20, 216)])
        canvas.stroke(fold * (side, 1) + middle, 1.6, (150, 150, 160), amount)
    blade = np.array([(-4.5, 202), (4.5, 202), (11, 240), (-11, 240)])
    canvas.polygon(blade + middle, colour, amount)
    knot = np.array([(-8, 189), (8, 189), (5, 203), (-5, 203)])
    canvas.polygon(knot + middle, shade(colour, 0.7), amount)
