"""Drawing a face, layer by layer, from back to front."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image, ImageFilter

from reference_model.data.synthetic.canvas import Canvas, pose_matrix
from reference_model.data.synthetic.eyes import draw_brows, draw_eyes, draw_glasses
from reference_model.data.synthetic.face import Face, Traits
from reference_model.data.synthetic.hair import draw_hair_back, draw_hair_front, draw_hat
from reference_model.data.synthetic.lower import draw_beard, draw_moustache, draw_mouth, draw_nose
from reference_model.data.synthetic.scene import HEIGHT, WIDTH, Person, Scene
from reference_model.data.synthetic.skin import (
    draw_body,
    draw_cheeks,
    draw_complexion,
    draw_double_chin,
    draw_head,
    draw_moles,
    draw_wrinkles,
    make_background,
)
from reference_model.data.synthetic.worn import draw_earrings, draw_necklace, draw_necktie
from reference_model.data.synthetic.years import usual_years

LAYERS = (
    draw_hair_back,
    draw_body,
    draw_necktie,
    draw_necklace,
    draw_head,
    draw_double_chin,
    draw_complexion,
    draw_wrinkles,
    draw_cheeks,
    draw_moles,
    draw_beard,
    draw_hair_front,
    draw_eyes,
    draw_brows,
    draw_nose,
    draw_mouth,
    draw_moustache,
    draw_glasses,
    draw_earrings,
    draw_hat,
)
"""What is drawn, from back to front."""


def render_face(
    person: Person,
    scene: Scene,
    labels: Mapping[str, bool],
    *,
    years: float | None = None,
    strength: float = 1.0,
) -> Image.Image:
    """Draw a face.

    Args:
        person: Who it is.
        scene: The circumstances.
        labels: For every attribute, by its CelebA name, whether the face has it; those left out are absent.
        years: The age, which should agree with the attribute Young (`YOUNG_BELOW`); None takes the usual age of faces
            that are young, or are not.
        strength: How visible the attributes are, in [0, 1]; at 0 neither labels nor years change anything.

    Returns:
        An RGB picture of 178 x 218 pixels.
    """
    traits = Traits(labels, strength=strength)
    if years is None:
        years = usual_years(young=traits.present("Young") > 0)
    face = Face(person, scene, traits, years)
    canvas = Canvas(make_background(scene), size=(WIDTH, HEIGHT), pose=pose_matrix(scene))
    for draw in LAYERS:
        draw(canvas, face)
    picture = canvas.finish()
    blur = face.traits.present("Blurry")
    if blur:
        picture = picture.filter(ImageFilter.GaussianBlur(3.0 * blur))
    gains = scene.light
    return picture.point([min(255, round(level * gain)) for gain in gains for level in range(256)])
