"""The face to draw: which attributes it has, where its features lie and which colours it has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reference_model.attributes import CELEBA_ATTRIBUTES, normalise_name
from reference_model.data.synthetic.canvas import Points
from reference_model.data.synthetic.colours import Colour, mix, shade
from reference_model.data.synthetic.scene import WIDTH, Person, Scene
from reference_model.data.synthetic.years import ageing

# By skin band, as `RACE_NAMES`: the usual colour and the palest one. Even pale, a band is told from the others.
_SKIN: tuple[Colour, ...] = ((234, 192, 166), (122, 80, 56), (216, 168, 100))
_PALE: tuple[Colour, ...] = ((246, 242, 248), (168, 150, 154), (232, 230, 196))
_HAIR: Mapping[str, Colour] = {
    "Black_Hair": (22, 20, 26),
    "Blond_Hair": (238, 206, 112),
    "Brown_Hair": (92, 56, 32),
    "Gray_Hair": (176, 178, 184),
}
_GINGER: tuple[Colour, Colour] = ((176, 82, 40), (196, 104, 66))
_HEAD_STEPS = np.linspace(0.0, 1.0, 15)


class Traits:
    """How visible each attribute is.

    Args:
        labels: For every attribute (by its CelebA name) whether the face has it; those left out are absent.
        strength: How visible attributes are, in [0, 1]. At 0 every face of a person in a scene looks the same.

    Raises:
        ValueError: If ``strength`` is outside [0, 1] or a name is not one of CelebA's.
    """

    def __init__(self, labels: Mapping[str, bool], *, strength: float = 1.0) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be in [0, 1], got {strength}")
        self.strength = strength
        known = {normalise_name(name): name for name in CELEBA_ATTRIBUTES}
        unknown = [name for name in labels if normalise_name(name) not in known]
        if unknown:
            raise ValueError(f"not attributes of CelebA: {', '.join(unknown)}")
        present = {known[normalise_name(name)]: bool(value) for name, value in labels.items()}
        self._present = {name: strength * present.get(name, False) for name in CELEBA_ATTRIBUTES}
        self._absent = {name: strength * (not present.get(name, False)) for name in CELEBA_ATTRIBUTES}

    def present(self, name: str) -> float:
        """Return how visible the signs of ``name`` are: the strength, or 0 if the face does not have it."""
        return self._present[name]

    def absent(self, name: str) -> float:
        """Return how visible the signs of the lack of ``name`` are: the strength, or 0 if the face has it."""
        return self._absent[name]


@dataclass(frozen=True)
class Face:
    """A face: a person with attributes in a scene. Lengths are in pixels of an upright, centred face.

    Args:
        person: Who it is.
        scene: The circumstances.
        traits: The attributes.
        years: The age.
    """

    person: Person
    scene: Scene
    traits: Traits
    years: float

    @property
    def ageing(self) -> float:
        """How visible the signs of age are, in [0, 1]."""
        return self.traits.strength * ageing(self.years)

    @property
    def x(self) -> float:
        """Centre of the head."""
        return WIDTH / 2

    @property
    def inner_x(self) -> float:
        """Centre of eyes, nose and mouth, moved by the turn of the head."""
        return self.x + 2.5 * self.scene.yaw

    @property
    def top(self) -> float:
        """Upper end of the skull."""
        return 44.0

    @property
    def chin(self) -> float:
        """Lower end of the chin."""
        return 162 + 4.5 * self.person.face_length

    @property
    def half_width(self) -> float:
        """Half the greatest width of the head."""
        return 42 + 4 * self.person.face_width

    @property
    def eye_y(self) -> float:
        """Height of the eyes."""
        return 101 + 2.5 * self.person.eye_height

    @property
    def eye_gap(self) -> float:
        """Distance of each eye from the middle."""
        return 20 + 2.8 * self.person.eye_spacing

    @property
    def nose_y(self) -> float:
        """Height of the nose's tip."""
        return 125 + 3.2 * self.person.nose_length

    @property
    def mouth_y(self) -> float:
        """Height of the mouth."""
        return 142 + 2.4 * self.person.mouth_height

    @property
    def skin(self) -> Colour:
        """Colour of the skin."""
        race, tone = self.person.race, 1 + 0.07 * self.person.skin_tone
        return shade(mix(_SKIN[race], _PALE[race], 0.85 * self.traits.present("Pale_Skin")), tone)

    @property
    def hair(self) -> Colour:
        """Colour of the hair: ginger, or the mean of the colours that are named."""
        base = mix(*_GINGER, (self.person.hair_tone + 1) / 2)
        weights = {name: self.traits.present(name) for name in _HAIR}
        total = sum(weights.values())
        if total == 0:
            return base
        named = (0.0, 0.0, 0.0)
        seen = 0.0
        for name, weight in weights.items():
            if weight:
                seen += weight
                named = mix(named, _HAIR[name], weight / seen)
        return mix(base, shade(named, 1 + 0.16 * self.person.hair_tone), max(weights.values()))

    def half_width_at(self, y: float) -> float:
        """Return half the width of the head at height ``y``; 0 outside the head."""
        along = (y - self.top) / (self.chin - self.top)
        return float(self._profile(np.array([along]))[0])

    def outline(self, start: float = 0.0, stop: float = 1.0, *, inset: float = 0.0) -> tuple[Points, Points]:
        """Return the head's left and right edge between two heights.

        Args:
            start: Where to begin: 0 is the top of the head, 1 the chin.
            stop: Where to end.
            inset: How far inside the edge to stay, in pixels.

        Returns:
            Two arrays (15, 2), both downwards.
        """
        # Steps crowd together at both ends, where the outline curves most.
        along = start + (stop - start) * (0.5 - 0.5 * np.cos(math.pi * _HEAD_STEPS))
        width = np.maximum(self._profile(along) - inset, 0.0)
        y = self.top + along * (self.chin - self.top) - inset * along**8
        return np.stack([self.x - width, y], axis=1), np.stack([self.x + width, y], axis=1)

    def _profile(self, along: Points) -> Points:
        """Half widths at heights from 0 (top) to 1 (chin)."""
        widest = 0.46
        oval = self.traits.present("Oval_Face")
        above = np.clip((widest - along) / widest, 0.0, 1.0)
        below = np.clip((along - widest) / (1 - widest), 0.0, 1.0)
        # The lower half is |x|^k + |y|^k = 1 with a larger k for squarer jaws.
        k = 2.9 + 0.9 * self.traits.present("Male") - 1.1 * oval + 0.35 * self.person.jaw
        jaw = (1 - below**k) ** (1 / 2.1) * (1 - 0.24 * oval * below)
        cheeks = 14 * self.traits.present("Chubby") * np.sin(math.pi * below) * (below < 1)
        width = self.half_width * np.where(along < widest, np.sqrt(1 - above**2.2), jaw) + cheeks
        return np.where((along < 0) | (along > 1), 0.0, width)
