"""Writing CASIA-WebFace's layout."""

from __future__ import annotations

from pathlib import Path

from reference_model.data.catalogue import Catalogue
from reference_model.data.writers.common import people_of, place_picture, running_numbers

LARGEST = 9_999_999


def write_casia(root: Path, catalogue: Catalogue) -> Path:
    """Write a folder for each person, ``0000045/001.jpg``, named by the person's number.

    Args:
        root: The folder to write to.
        catalogue: Pictures whose people are known.

    Raises:
        ValueError: If a person is not known, or has a number of more than seven digits.
    """
    person = people_of(catalogue)
    if person.max(initial=0) > LARGEST:
        raise ValueError(f"people's numbers must have at most seven digits, got {person.max()}")
    for row, (number, picture) in enumerate(zip(person.tolist(), running_numbers(person).tolist(), strict=True)):
        place_picture(catalogue.pictures, row, root / f"{number:07d}" / f"{picture:03d}.jpg")
    return root
