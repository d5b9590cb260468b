"""What a pool of drawn people, objects and places consists of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.attributes import CELEBA_ATTRIBUTES, match_attributes
from reference_model.data.ising import load_ising, redraw_labels, sample_labels
from reference_model.data.synthetic.objects import OBJECTS
from reference_model.data.synthetic.plan import RENDERING
from reference_model.data.synthetic.scene import make_person
from reference_model.data.synthetic.scenes import SCENES
from reference_model.data.synthetic.years import draw_years
from reference_model.settings.pictures import PoolConfig, SyntheticConfig

TEST_SHARE = 4
"""There is one picture of an object for testing to this many for training."""

LABELLED_SHARE = 4
"""For this many people who train the face-level nets there is one who trains the attributes."""

_LABELS, _PEOPLE, _YEARS, _PICTURES = 5, 6, 7, 11
# How often an attribute of a person is drawn anew for a picture: what the face does and the camera, always; what is put
# on, now and then; the sex, never; all others hardly ever.
_OF_THE_MOMENT = ("Blurry", "Mouth_Slightly_Open", "Smiling", "Wearing_Hat")
_PUT_ON = (
    "Eyeglasses",
    "Heavy_Makeup",
    "Rosy_Cheeks",
    "Wearing_Earrings",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
)
_CHANGES = {
    **dict.fromkeys(CELEBA_ATTRIBUTES, 0.05),
    **dict.fromkeys(_OF_THE_MOMENT, 1.0),
    **dict.fromkeys(_PUT_ON, 0.2),
    "Male": 0.0,
}


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
        labelled: (N,) bool: whether the picture belongs to a set of attributes; those of training people belong to
            such sets or to those of the face-level nets, never to both.
        person: (N,) int64: who is shown, from 1.
        race: (N,) int64: the person's skin band.
        years: (N,) float32: the age shown.
    """

    drawn: npt.NDArray[np.uint8]
    written: npt.NDArray[np.uint8]
    split: npt.NDArray[np.str_]
    labelled: npt.NDArray[np.bool_]
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

    The attributes of a person come from the Ising model, and those of each picture from the person's: some are drawn
    anew given all others, so every picture follows the model as well.
    """
    sizes, seed = parameters.sizes, parameters.seed
    groups = np.array([sizes.people, -(-sizes.people // LABELLED_SHARE), sizes.valid_people, sizes.test_people])
    people, pictures = int(groups.sum()), sizes.pictures_per_person
    model = load_ising()
    rows = np.repeat(sample_labels(people, seed, model=model), pictures, axis=0)
    changes = np.array([_CHANGES[name] for name in CELEBA_ATTRIBUTES])[match_attributes(CELEBA_ATTRIBUTES, model.names)]
    rows = redraw_labels(rows, changes, seed + _PICTURES, model=model)
    drawn = rows[:, match_attributes(model.names, CELEBA_ATTRIBUTES)]
    flips = _generator(seed, _LABELS).random(drawn.shape) < parameters.label_noise
    split = np.repeat(np.array(("train", "train", "valid", "test")), groups * pictures)
    labelled = np.repeat(np.array((False, True, True, True)), groups * pictures)
    # Numbers say nothing about partition or looks.
    person = np.repeat(_generator(seed, _PEOPLE).permutation(people) + 1, pictures)
    races = np.array([make_person(seed, number).race for number in range(1, people + 1)])
    return FacePlan(drawn, drawn ^ flips, split, labelled, person, races[person - 1], _draw_years(drawn, person, seed))


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
