"""What a pool of drawn people, objects and places consists of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.attributes import CELEBA_ATTRIBUTES, match_attributes
from reference_model.data.catalogue import SPLITS
from reference_model.data.ising import load_ising, sample_labels
from reference_model.data.synthetic.objects import OBJECTS
from reference_model.data.synthetic.plan import RENDERING
from reference_model.data.synthetic.scene import make_person
from reference_model.data.synthetic.scenes import SCENES
from reference_model.data.synthetic.years import draw_years
from reference_model.settings.pictures import PoolConfig, SyntheticConfig

TEST_SHARE = 4
"""There is one picture of an object for testing to this many for training."""

_LABELS, _PEOPLE, _YEARS = 5, 6, 7
# Pictures of one person agree in these as far as the drawn labels allow, always in the first.
_STABLE = (
    "Male",
    "Gray_Hair",
    "Blond_Hair",
    "Black_Hair",
    "Brown_Hair",
    "Pale_Skin",
    "Young",
    "Bald",
    "Chubby",
    "Wavy_Hair",
    "Straight_Hair",
    "Big_Nose",
    "Oval_Face",
    "Big_Lips",
    "Pointy_Nose",
)


@dataclass(frozen=True)
class PoolParameters:
    """What decides every picture of a pool.

    Args:
        sizes: How many people, objects and places, and how far people differ.
        seed: Seed of everything.
        strength: How visible attributes and years are, in [0, 1].
        label_noise: Probability that a written attribute is the wrong one.
    """

    sizes: PoolConfig
    seed: int
    strength: float
    label_noise: float

    @classmethod
    def of(cls, config: SyntheticConfig, sizes: PoolConfig) -> PoolParameters:
        """Return the parameters that the settings of a run ask for."""
        return cls(sizes, config.seed, float(config.strength), float(config.label_noise))

    def as_marker(self) -> dict[str, Any]:
        """Return what identifies the pool: the parameters and the number of the rendering."""
        return {"rendering": RENDERING, **asdict(self)}


@dataclass(frozen=True, eq=False)
class FacePlan:
    """The pictures of people in a pool, N in all.

    Args:
        drawn: (N, 40) uint8: the attributes that the pictures show, in CelebA's order.
        written: (N, 40) uint8: the attributes that data sets hold, after label noise.
        split: (N,) str: the partition; no person is in two.
        person: (N,) int64: who is shown, from 1.
        race: (N,) int64: the person's skin band.
        years: (N,) float32: the age shown.
    """

    drawn: npt.NDArray[np.uint8]
    written: npt.NDArray[np.uint8]
    split: npt.NDArray[np.str_]
    person: npt.NDArray[np.int64]
    race: npt.NDArray[np.int64]
    years: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ClassPlan:
    """The pictures of objects or places in a pool, N in all.

    Args:
        names: The classes.
        value: (N,) int64: the class of each picture.
        number: (N,) int64: its number within the class, from 0.
        split: (N,) str: the partition.
    """

    names: tuple[str, ...]
    value: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]


def plan_faces(parameters: PoolParameters) -> FacePlan:
    """Draw the attributes, people, partitions and years of a pool's faces.

    Attributes come from the Ising model. Within each partition, rows of like people (of one sex always) become the
    pictures of one person, which leaves the attributes' joint distribution as it was.
    """
    sizes, seed = parameters.sizes, parameters.seed
    counts = np.array([sizes.people, sizes.valid_people, sizes.test_people]) * sizes.pictures_per_person
    model = load_ising()
    labels = sample_labels(int(counts.sum()), seed, model=model)
    drawn = labels[:, match_attributes(model.names, CELEBA_ATTRIBUTES)]
    flips = _generator(seed, _LABELS).random(drawn.shape) < parameters.label_noise
    split = np.repeat(np.array(SPLITS), counts)
    person = np.zeros(len(drawn), dtype=np.int64)
    for name in SPLITS:
        rows = np.flatnonzero(split == name)
        person[rows] = _assign_people(drawn[rows], sizes.pictures_per_person) + person.max() + 1
    # Numbers say nothing about partition or looks.
    person = (_generator(seed, _PEOPLE).permutation(person.max()) + 1)[person - 1]
    races = np.array([make_person(seed, number).race for number in range(1, int(person.max()) + 1)])
    return FacePlan(drawn, drawn ^ flips, split, person, races[person - 1], _draw_years(drawn, person, seed))


def _assign_people(labels: npt.NDArray[np.uint8], pictures: int) -> npt.NDArray[np.int64]:
    """Return the person of each row, from 0: runs of ``pictures`` like rows of one sex; the last of a sex has fewer."""
    keys = labels[:, match_attributes(CELEBA_ATTRIBUTES, _STABLE)]
    order = np.lexsort(keys.T[::-1])
    women = int((keys[:, 0] == 0).sum())
    place = np.arange(len(labels))
    person = np.empty(len(labels), dtype=np.int64)
    person[order] = np.where(place < women, place // pictures, -(-women // pictures) + (place - women) // pictures)
    return person


def _draw_years(labels: npt.NDArray[np.uint8], person: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float32]:
    generator = _generator(seed, _YEARS)
    places = generator.random(int(person.max()) + 1)[person].tolist()
    young = labels[:, CELEBA_ATTRIBUTES.index("Young")].astype(bool).tolist()
    years = [draw_years(generator, place, young=value) for place, value in zip(places, young, strict=True)]
    return np.array(years, dtype=np.float32)


def plan_objects(parameters: PoolParameters) -> ClassPlan:
    """Return the pictures of objects: every class has the same number for training and for testing."""
    train = parameters.sizes.objects
    return _plan_classes(tuple(OBJECTS), train, -(-train // TEST_SHARE))


def plan_scenes(parameters: PoolParameters) -> ClassPlan:
    """Return the pictures of places, which have no partition of their own: all of them train."""
    return _plan_classes(tuple(SCENES), parameters.sizes.scenes, 0)


def _plan_classes(names: tuple[str, ...], train: int, test: int) -> ClassPlan:
    each = train + test
    number = np.tile(np.arange(each), len(names))
    split = np.where(number < train, "train", "test")
    return ClassPlan(names, np.repeat(np.arange(len(names)), each), number, split)


def _generator(seed: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose])))
