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

RACE_NAMES = ("white", "black", "yellow")
"""The paper's names of the skin bands, in the order of `Person.race`."""

Mole = tuple[float, float, float]
"""Distance from the middle of the face, height and radius of a mole, in pixels of an upright face."""

_PERSON, _SCENE, _VARIATION = 1, 2, 10
# How many times as far heads tilt, move and grow at most; and the most that the brightness of the light, and the
# strength of each of its colours, are multiplied by or divided by, as logarithms.
_WIDER, _BRIGHTNESS, _TINT = 3.0, 0.3, 0.25
_MOST_MOLES = 4


@dataclass(frozen=True)
class Person:
    """What a person looks like in every picture; numbers are in [-1, 1] where nothing else is said.

    Args:
        face_width: Width of the head.
        face_length: Length of the head.
        eye_spacing: Distance between the eyes.
        eye_size: Size of the eyes.
        eye_height: How low the eyes sit.
        brow_height: Height of the brows above the eyes.
        brow_slant: How far the brows' outer ends droop.
        brow_thickness: Thickness of the brows.
        nose_length: Length of the nose.
        nose_width: Width of the nose.
        mouth_width: Width of the mouth.
        mouth_height: How low the mouth sits.
        lip_fullness: Thickness of the lips.
        jaw: How square the jaw is.
        hairline: How low the hairline sits.
        ear_size: Size of the ears.
        hair_length: Length of the hair.
        moles: Dark spots of the skin.
        race: Skin band, a place in `RACE_NAMES`.
        skin_tone: Lightness within the band.
        hair_tone: Tone of hair that has none of the named colours.
        eye_colour: Colour of the irises, 0 to 3.
    """

    face_width: float
    face_length: float
    eye_spacing: float
    eye_size: float
    eye_height: float
    brow_height: float
    brow_slant: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lip_fullness: float
    jaw: float
    hairline: float
    ear_size: float
    hair_length: float
    moles: tuple[Mole, ...]
    race: int
    skin_tone: float
    hair_tone: float
    eye_colour: int


_CONTINUOUS = tuple(field.name for field in fields(Person) if field.name not in ("moles", "race", "eye_colour"))


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


def make_person(seed: int, number: int, *, identity_strength: float = 1.0) -> Person:
    """Return person ``number`` of the people of ``seed``.

    Args:
        seed: Seed of all people.
        number: Which of them.
        identity_strength: How far people differ from one another, in [0, 1]. At 0 all have the same geometry and no
            moles; the band of the skin and the colour of the eyes always differ.
    """
    generator = _generator(seed, _PERSON, number)
    drawn = identity_strength * generator.uniform(-1.0, 1.0, len(_CONTINUOUS))
    shape = dict(zip(_CONTINUOUS, drawn.tolist(), strict=True))
    race, eye_colour = int(generator.integers(RACES)), int(generator.integers(4))
    moles = _draw_moles(generator, identity_strength)
    return Person(**shape, moles=moles, race=race, eye_colour=eye_colour)


def _draw_moles(generator: np.random.Generator, size: float) -> tuple[Mole, ...]:
    """Draw up to four moles beside the nose, on the cheeks, the chin or the forehead."""
    moles = []
    for _ in range(int(generator.integers(_MOST_MOLES + 1))):
        x, radius = generator.uniform(14.0, 31.0), generator.uniform(2.0, 3.6)
        side, y = generator.choice((-1, 1)), generator.choice((generator.uniform(70, 80), generator.uniform(117, 150)))
        moles.append((float(side * x), float(y), float(size * radius)))
    return tuple(moles) if size else ()


def make_scene(seed: int, number: int, *, variation: float = 0.0) -> Scene:
    """Return the circumstances of picture ``number``.

    Args:
        seed: Seed of all pictures.
        number: Which of them.
        variation: How much further than usual heads are tilted, moved, near or far, and how much the light differs in
            brightness and colour, in [0, 1].
    """
    generator = _generator(seed, _SCENE, number)
    rotation, scale, shift_x, shift_y, yaw, side, warmth, brightness = generator.uniform(-1.0, 1.0, 8).tolist()
    wider = 1 + _WIDER * variation
    rotation, scale, shift_x, shift_y = (wider * value for value in (rotation, scale, shift_x, shift_y))
    gain = 1 + 0.1 * brightness
    light = np.array([gain * (1 + 0.04 * warmth), gain, gain * (1 - 0.04 * warmth)])
    brighter, *tint = _generator(seed, _VARIATION, number).uniform(-1.0, 1.0, 4).tolist()
    light = light * np.exp(variation * (_BRIGHTNESS * brighter + _TINT * np.array(tint)))
    return Scene(
        rotation=0.07 * rotation,
        scale=1 + 0.04 * scale,
        shift_x=3.5 * shift_x,
        shift_y=3.5 * shift_y,
        yaw=yaw,
        light=(float(light[0]), float(light[1]), float(light[2])),
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
