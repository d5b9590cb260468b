"""Background, shoulders, neck, ears, head, and what is on the skin: shadow, wrinkles, blemishes, cheeks."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reference_model.data.synthetic.canvas import Canvas, curve
from reference_model.data.synthetic.colours import Colour, mix, shade
from reference_model.data.synthetic.face import Face
from reference_model.data.synthetic.scene import HEIGHT, Scene

_BLEMISH: Colour = (150, 62, 50)
_MOLE: Colour = (52, 30, 24)
_BLEMISHES = (
    (-26, 112, 2.4),
    (-17, 124, 2.0),
    (-30, 127, 2.6),
    (25, 116, 2.5),
    (18, 128, 2.1),
    (31, 124, 2.3),
    (-12, 77, 2.3),
    (14, 80, 2.2),
    (-20, 146, 2.2),
    (17, 151, 2.3),
)


def make_background(scene: Scene) -> Image.Image:
    """Return the background as a tiny picture, to be stretched: plain, gradients, stripes either way or blocks."""
    first, second = scene.background_colours
    colours = np.array([first, second, mix(first, second, 0.5), shade(first, 0.8)])
    layouts = ([[0]], [[0, 0], [1, 2]], [[0], [1], [0], [1]], [[0, 3, 0, 3, 0]], [[0, 1, 2], [1, 3, 0], [2, 0, 1]])
    pattern = np.array(layouts[scene.background])
    return Image.fromarray(colours[pattern].round().astype(np.uint8), "RGB")


def draw_body(canvas: Canvas, face: Face) -> None:
    """Draw shoulders in clothes and the neck."""
    x, skin, male = face.x, face.skin, face.traits.present("Male")
    clothes = face.scene.clothes
    wide, neck = 62 + 12 * male, 19 + 7 * male
    floor = HEIGHT + 30
    left = curve([(x - neck - 4, 186), (x - wide, 192), (x - wide - 14, floor)], 8)
    right = (left * (-1, 1) + (2 * x, 0))[::-1]
    canvas.polygon(np.concatenate([left, right]), clothes)
    neckline = curve([(x - neck - 6, 184), (x, 222 - 12 * male), (x + neck + 6, 184)], 8)
    canvas.polygon(neckline, skin)
    canvas.polygon(np.array([(x - neck, 130), (x + neck, 130), (x + neck, 188), (x - neck, 188)]), skin)
    shadow = curve([(x - neck, 164), (x, 180), (x + neck, 164)], 8)
    canvas.polygon(np.concatenate([shadow, [(x + neck, 130), (x - neck, 130)]]), shade(skin, 0.78))


def draw_head(canvas: Canvas, face: Face) -> None:
    """Draw ears and head, with one side in shadow."""
    skin, scene = face.skin, face.scene
    ear = 12 + 3 * face.person.ear_size
    reach = face.half_width
    for side in (-1, 1):
        canvas.ellipse(face.x + side * (reach + 1), 105, 6.5, ear, shade(skin, 0.92))
        canvas.ellipse(face.x + side * (reach + 2), 105, 3.2, ear - 5, shade(skin, 0.78))
    left, right = face.outline()
    canvas.polygon(np.concatenate([left, right[::-1]]), skin)
    edge = right if scene.light_side > 0 else left
    inner = edge * (0.72, 1.0) + (0.28 * face.x, 0.0)
    canvas.polygon(np.concatenate([edge, inner[::-1]]), shade(skin, 0.6), 0.35 * abs(scene.light_side))


def draw_double_chin(canvas: Canvas, face: Face) -> None:
    """Draw a second, softer chin below the first."""
    amount = face.traits.present("Double_Chin")
    if not amount:
        return
    x, chin, skin = face.x, face.chin, face.skin
    canvas.ellipse(x, chin - 1, 30, 14, shade(skin, 0.95), amount)
    fold = curve([(x - 28, chin - 1), (x, chin + 26), (x + 28, chin - 1)], 10)
    canvas.stroke(fold, 3.6, shade(skin, 0.5), 0.9 * amount)
    crease = curve([(x - 19, chin - 5), (x, chin + 6), (x + 19, chin - 5)], 8)
    canvas.stroke(crease, 3.0, shade(skin, 0.55), 0.9 * amount)


def draw_complexion(canvas: Canvas, face: Face) -> None:
    """Draw clear, glowing skin for attractive faces and blemishes for others."""
    x, traits = face.inner_x, face.traits
    glow = 0.45 * traits.present("Attractive")
    if glow:
        light = mix(face.skin, (255, 250, 240), 0.75)
        canvas.ellipse(x, 78, 16, 5.5, light, glow)
        for side in (-1, 1):
            canvas.ellipse(x + side * 12, 133, 4, 6, light, glow)
    spots = 0.75 * traits.absent("Attractive")
    if spots:
        colour = mix(face.skin, _BLEMISH, 0.8)
        for dx, y, radius in _BLEMISHES:
            canvas.ellipse(x + dx, y, radius, radius, colour, spots)


def draw_moles(canvas: Canvas, face: Face) -> None:
    """Draw the person's moles that lie on the face."""
    for dx, y, radius in face.person.moles:
        if abs(dx) + 2 * radius < face.half_width_at(y):
            canvas.ellipse(face.inner_x + dx, y, radius, radius, mix(shade(face.skin, 0.4), _MOLE, 0.7))


def draw_wrinkles(canvas: Canvas, face: Face) -> None:
    """Draw the lines of age, which grow with the years: forehead, corners of the eyes, nose to mouth."""
    amount = face.ageing
    if not amount:
        return
    x, line = face.inner_x, shade(face.skin, 0.5)
    alpha, thin, thick = min(1.0, 0.3 + 0.7 * amount), 1.2 + 1.4 * amount, 1.2 + 2.0 * amount
    for y, width in ((69, 20), (75.5, 23)):
        half = width * (0.4 + 0.6 * amount)
        canvas.stroke(curve([(x - half, y + 1), (x, y - 3), (x + half, y + 1)], 7), thick, line, alpha)
    for side in (-1, 1):
        for rise in (-5, 1):
            outer = (x + side * (face.eye_gap + 14 + 6 * amount), face.eye_y + (0.8 + 1.0 * amount) * rise)
            inner = (x + side * (face.eye_gap + 13), face.eye_y + 0.6 * rise)
            canvas.stroke(np.array([inner, outer]), thin, line, alpha)
        bottom = face.nose_y + (face.mouth_y + 4 - face.nose_y) * (0.3 + 0.7 * amount)
        fold = [(x + side * 11, face.nose_y - 3), (x + side * 22, face.nose_y + 6), (x + side * 23, bottom)]
        canvas.stroke(curve(fold, 8), thick, line, alpha)


def draw_cheeks(canvas: Canvas, face: Face) -> None:
    """Draw high cheekbones, light above a hollow, and the colour of rosy cheeks."""
    x, skin, traits = face.inner_x, face.skin, face.traits
    bones, rosy = traits.present("High_Cheekbones"), traits.present("Rosy_Cheeks")
    for side in (-1, 1):
        if bones:
            hollow = np.array([(x + side * 37, 118), (x + side * 36, 126), (x + side * 20, 136), (x + side * 22, 128)])
            canvas.polygon(hollow, shade(skin, 0.55), 0.6 * bones)
            ridge = curve([(x + side * 37, 111), (x + side * 30, 117), (x + side * 17, 117)], 7)
            canvas.stroke(ridge, 6.0, mix(skin, (255, 255, 250), 0.8), 0.75 * bones)
        if rosy:
            canvas.ellipse(x + side * 27, 121, 9.5, 8, (238, 70, 96), 0.5 * rosy)
            canvas.ellipse(x + side * 27, 121, 6, 5, (238, 60, 90), 0.3 * rosy)
