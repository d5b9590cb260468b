"""What a set of synthetic faces consists of: its parameters, and for every picture its labels, partition and person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.attributes import CELEBA_ATTRIBUTES, match_attributes
from reference_model.data.catalogue import SPLITS
from reference_model.data.ising import load_ising, sample_labels

RENDERING = 7
"""Number of the rendering; it changes whenever the same parameters give other pictures or labels."""

JPEG_QUALITY = 92
"""Quality of the JPEG files that drawn pictures are stored in."""

# Pictures of one person agree in these as far as the drawn labels allow, always in the first.
_STABLE = ("Male", "Pale_Skin", "Oval_Face", "Big_Nose", "Pointy_Nose", "Big_Lips", "Young", "Chubby")


@dataclass(frozen=True)
class Parameters:
    """The parameters of a set of faces; equal parameters give equal files.

    Args:
        num_train: Pictures in the training partition.
        num_valid: Pictures in the validation partition.
        num_test: Pictures in the test partition.
        seed: Seed of labels, people and scenes, 0 or more.
        strength: How visible the attributes are, in [0, 1].
        label_noise: Probability that a written label is the wrong one, in [0, 0.5].
        pictures_per_person: Largest number of pictures of one person.
        identity_strength: How far people differ in geometry, brows and moles, in [0, 1]. The default leaves the
            attributes easy to see; at 1 people are easier to tell apart.

    Raises:
        ValueError: If a number is out of range.
    """

    num_train: int
    num_valid: int
    num_test: int
    seed: int = 0
    strength: float = 1.0
    label_noise: float = 0.0
    pictures_per_person: int = 8
    identity_strength: float = 0.4

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_train", "num_valid", "num_test", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.total == 0:
            raise ValueError("num_train, num_valid and num_test are all 0: there is nothing to draw")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be in [0, 1], got {self.strength}")
        if not 0 <= self.label_noise <= 0.5:
            raise ValueError(f"label_noise must be in [0, 0.5], got {self.label_noise}")
        if self.pictures_per_person < 1:
            raise ValueError(f"pictures_per_person must be at least 1, got {self.pictures_per_person}")
        if not 0 <= self.identity_strength <= 1:
            raise ValueError(f"identity_strength must be in [0, 1], got {self.identity_strength}")

    @property
    def total(self) -> int:
        """Number of pictures."""
        return self.num_train + self.num_valid + self.num_test

    def as_marker(self) -> dict[str, Any]:
        """Return what identifies the set: the parameters and the number of the rendering."""
        parameters = asdict(self)
        # 1 and 1.0 are the same strength.
        for name in ("strength", "label_noise", "identity_strength"):
            parameters[name] = float(parameters[name])
        return {"rendering": RENDERING, **parameters}


@dataclass(frozen=True, eq=False)
class Plan:
    """The pictures of a set, N in all.

    Args:
        drawn: (N, 40) uint8: the labels that the pictures show, in CelebA's order.
        written: (N, 40) uint8: the labels that the list holds, after label noise.
        split: (N,) int64: 0 train, 1 valid, 2 test.
        person: (N,) int64: who is shown, from 1.
    """

    drawn: npt.NDArray[np.uint8]
    written: npt.NDArray[np.uint8]
    split: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]


def make_plan(parameters: Parameters) -> Plan:
    """Draw labels, label noise and people for a set of faces.

    Labels come from the Ising model. Within each partition, rows of like people (sex above all) are then given to the
    same person, which leaves the labels' joint distribution as it was and makes the partitions disjoint in people.
    """
    model = load_ising()
    labels = sample_labels(parameters.total, parameters.seed, model=model)
    drawn = labels[:, match_attributes(model.names, CELEBA_ATTRIBUTES)]
    sequence = np.random.SeedSequence([parameters.seed, 3])
    noise_seed, people_seed = sequence.spawn(2)
    flips = np.random.Generator(np.random.PCG64(noise_seed)).random(drawn.shape) < parameters.label_noise
    counts = (parameters.num_train, parameters.num_valid, parameters.num_test)
    split = np.repeat(np.arange(len(SPLITS)), counts)
    generator = np.random.Generator(np.random.PCG64(people_seed))
    person = np.zeros(parameters.total, dtype=np.int64)
    for number in range(len(SPLITS)):
        rows = np.flatnonzero(split == number)
        person[rows] = _assign_people(drawn[rows], parameters.pictures_per_person, generator) + person.max() + 1
    # Numbers say nothing about partition or looks.
    renumbered = generator.permutation(person.max()) + 1
    return Plan(drawn, drawn ^ flips, split, renumbered[person - 1])


def _assign_people(labels: npt.NDArray[np.uint8], most: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the person of each row, from 0: runs of 1 to ``most`` like rows of one sex."""
    keys = labels[:, match_attributes(CELEBA_ATTRIBUTES, _STABLE)]
    order = np.lexsort(keys.T[::-1])
    male = keys[order, 0]
    person = np.zeros(len(labels), dtype=np.int64)
    place, number = 0, 0
    while place < len(order):
        stop = min(place + int(generator.integers(1, most + 1)), len(order))
        change = np.flatnonzero(male[place:stop] != male[place])
        stop = place + int(change[0]) if len(change) else stop
        person[order[place:stop]] = number
        place, number = stop, number + 1
    return person
