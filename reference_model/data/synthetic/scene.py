"""What a picture shows besides the attributes: who it is, the pose, the light, the background and the colours worn.

Everything here is a function of the seed and a number, so that a picture does not depend on the pictures drawn before.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from reference_model.data.synthetic.colours import Colour, hue

WIDTH, HEIGHT = 178, 218
"""Size in pixels of a picture, that of CelebA's aligned ones."""

RACES = 3
"""Number of skin bands."""

_PERSON, _SCENE = 1, 2


@dataclass(frozen=True)
class Person:
    """A person's fixed geometry; numbers are in [-1, 1] where nothing else is said.

    Args:
        face_width: Width of the head.
        face_length: Length of the head.
        eye_spacing: Distance between the eyes.
        eye_size: Size of the eyes.
        brow_height: Height of the brows above the eyes.
        nose_length: Length of the nose.
        mouth_width: Width of the mouth.
        mouth_height: How low the mouth sits.
        ear_size: Size of the ears.
        hair_length: Length of the hair.
        race: Skin band: 0, 1 or 2.
        skin_tone: Lightness within the band.
        hair_tone: Tone of hair that has none of the named colours.
        eye_colour: Colour of the irises, 0 to 3.
    """

    face_width: float
    face_length: float
    eye_spacing: float
    eye_size: float
    brow_height: float
    nose_length: float
    mouth_width: float
    mouth_height: float
    ear_size: float
    hair_length: float
    race: int
    skin_tone: float
    hair_tone: float
    eye_colour: int


_CONTINUOUS = tuple(field.name for field in fields(Person) if field.name not in ("race", "eye_colour"))


@dataclass(frozen=True)
class Scene:
    """How one picture is taken.

    Args:
        rotation: Tilt of the head in radians.
        scale: Size relative to the usual one.
        shift_x: Shift in pixels, to the right.
        shift_y: Shift in pixels, downwards.
        yaw: Turn of the head in [-1, 1]: the inner features move by a few pixels.
        light: Factors of red, green and blue.
        light_side: In [-1, 1]: which side of the face lies in shadow, and how deep.
        background: Kind of background, 0 to 4.
        background_colours: Two colours of the background.
        clothes: Colour of the clothes.
        hat: Colour of a hat.
        tie: Colour of a necktie.
        silver_earrings: From 0 for earrings of gold to 1 for silver.
        silver_necklace: The same for a necklace.
    """

    rotation: float
    scale: float
    shift_x: float
    shift_y: float
    yaw: float
    light: tuple[float, float, float]
    light_side: float
    background: int
    background_colours: tuple[Colour, Colour]
    clothes: Colour
    hat: Colour
    tie: Colour
    silver_earrings: float
    silver_necklace: float


def make_person(seed: int, number: int) -> Person:
    """Return person ``number`` of the people of ``seed``."""
    generator = _generator(seed, _PERSON, number)
    shape = dict(zip(_CONTINUOUS, generator.uniform(-1.0, 1.0, len(_CONTINUOUS)).tolist(), strict=True))
    return Person(**shape, race=int(generator.integers(RACES)), eye_colour=int(generator.integers(4)))


def make_scene(seed: int, number: int) -> Scene:
    """Return the circumstances of picture ``number``."""
    generator = _generator(seed, _SCENE, number)
    rotation, scale, shift_x, shift_y, yaw, side, warmth, brightness = generator.uniform(-1.0, 1.0, 8).tolist()
    gain = 1 + 0.1 * brightness
    return Scene(
        rotation=0.07 * rotation,
        scale=1 + 0.04 * scale,
        shift_x=3.5 * shift_x,
        shift_y=3.5 * shift_y,
        yaw=yaw,
        light=(gain * (1 + 0.04 * warmth), gain, gain * (1 - 0.04 * warmth)),
        light_side=side,
        background=int(generator.integers(5)),
        background_colours=(_muted(generator), _muted(generator)),
        clothes=_colour(generator, (0.35, 0.75), (0.25, 0.7)),
        hat=_colour(generator, (0.7, 1.0), (0.45, 0.9)),
        tie=_colour(generator, (0.85, 0.85), (0.35, 0.7)),
        silver_earrings=float(generator.random()),
        silver_necklace=float(generator.random()),
    )


def _muted(generator: np.random.Generator) -> Colour:
    return _colour(generator, (0.15, 0.5), (0.35, 0.85))


def _colour(generator: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    return hue(float(generator.random()), generator.uniform(*saturation), generator.uniform(*value))


def _generator(seed: int, purpose: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, number])))
