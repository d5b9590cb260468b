"""Settings of the pictures: how they are read and varied, which of a data set, and the built-in faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reference_model.settings.checks import require

POOL_MARKER = "pool.json"
"""In the folder of a pool of drawn pictures: its parameters, written first. The data sets of the pool lie beside it."""


@dataclass(frozen=True)
class ImagesConfig:
    """How pictures are read and varied.

    Args:
        size: Side in pixels that every picture is scaled to.
        flip: Mirror half of the training pictures; no CelebA attribute depends on left and right.
        crop_padding: Training pictures are shifted by up to this many pixels each way; 0 turns it off.
        memory_mb: Keep decoded pictures in memory if they need no more than this many megabytes.
        missing: What to do about rows whose picture file is missing.
    """

    size: int = 64
    flip: bool = True
    crop_padding: int = 4
    memory_mb: int = 2048
    missing: Literal["error", "skip"] = "error"

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(self.size >= 16, "images.size", "at least 16", self.size)
        require(0 <= self.crop_padding < self.size, "images.crop_padding", "in [0, images.size)", self.crop_padding)
        require(self.memory_mb >= 0, "images.memory_mb", "0 or more", self.memory_mb)


@dataclass(frozen=True)
class SyntheticConfig:
    """The built-in synthetic faces.

    Args:
        num_train: Faces in the training partition.
        num_valid: Faces in the validation partition.
        num_test: Faces in the test partition.
        seed: Seed of the faces; the run's own seed does not change them.
        strength: How visible the attributes are, in [0, 1].
        label_noise: Probability that a written label is the wrong one, in [0, 0.5].
    """

    num_train: int = 2400
    num_valid: int = 300
    num_test: int = 600
    seed: int = 0
    strength: float = 1.0
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_train", "num_valid", "num_test"):
            require(getattr(self, name) >= 1, f"synthetic.{name}", "at least 1", getattr(self, name))
        require(0 <= self.strength <= 1, "synthetic.strength", "in [0, 1]", self.strength)
        require(0 <= self.label_noise <= 0.5, "synthetic.label_noise", "in [0, 0.5]", self.label_noise)


@dataclass(frozen=True)
class PoolConfig:
    """The pool of drawn people, objects and places that every stage can be trained on; synthetic has its seed.

    Args:
        people: People whose pictures train the face-level nets; others, a quarter as many, train the attributes.
        valid_people: Other people, for validation.
        test_people: Other people, for testing.
        pictures_per_person: Pictures of each person.
        identity_strength: How far people differ in geometry, brows and moles, in [0, 1]; they always differ in their
            attributes.
        variation: How far pictures of a person differ in the tilt, place and size of the head and in the brightness and
            colour of the light, in [0, 1].
        objects: Pictures of each class of objects for training; a quarter as many more are for testing.
        scenes: Pictures of each class of places.
    """

    people: int = 800
    valid_people: int = 80
    test_people: int = 200
    pictures_per_person: int = 6
    identity_strength: float = 0.3
    variation: float = 1.0
    objects: int = 100
    scenes: int = 120

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("people", "valid_people", "test_people", "pictures_per_person", "objects", "scenes"):
            require(getattr(self, name) >= 1, f"pool.{name}", "at least 1", getattr(self, name))
        require(0 <= self.identity_strength <= 1, "pool.identity_strength", "in [0, 1]", self.identity_strength)
        require(0 <= self.variation <= 1, "pool.variation", "in [0, 1]", self.variation)


@dataclass(frozen=True)
class ReadConfig:
    """What is read of a data set.

    Args:
        classes: Read at most this many people or classes, those with the most pictures; none reads all.
        exclude_names: A file of names, one a line; pictures of these people are left out.
        max_unusable: Largest share of pictures that may be unreadable; more of them stop the run.
        train_rows: Train on this many of the training pictures, chosen at random by the run's seed; none takes all.
        label_share: For the attributes: this share of the training labels, in (0, 1], chosen at random by the run's
            seed; the others are missing.
        shuffle_people: For the stage identity: exchange the people of the training pictures at random, by the run's
            seed; a control that can learn nothing of faces.
        scenes: For the stage face: the folder of the pictures without faces, in the format of scenes_data.
        scenes_data: For the stage face: the format of the pictures without faces, sun397 or image_folder; tiles makes
            them from the faces' own shuffled tiles, a surrogate.
    """

    classes: int | None = None
    exclude_names: Path | None = None
    max_unusable: float = 0.05
    train_rows: int | None = None
    label_share: float = 1.0
    shuffle_people: bool = False
    scenes: Path | None = None
    scenes_data: Literal["sun397", "image_folder", "tiles", "synthetic"] = "sun397"

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(self.classes is None or self.classes >= 2, "read.classes", "at least 2, or null", self.classes)
        require(0 <= self.max_unusable < 1, "read.max_unusable", "in [0, 1)", self.max_unusable)
        require(
            self.train_rows is None or self.train_rows >= 1, "read.train_rows", "at least 1, or null", self.train_rows
        )
        require(0 < self.label_share <= 1, "read.label_share", "in (0, 1]", self.label_share)
