"""Writing MS-Celeb-1M's layout of folders."""

from __future__ import annotations

from pathlib import Path

from reference_model.data.catalogue import Catalogue
from reference_model.data.writers.common import people_of, place_picture, running_numbers


def mid_of(person: int) -> str:
    """Return the made-up MID of a person's number; MIDs sort as the numbers do.

    Example:
        >>> mid_of(45)
        'm.00000045'
    """
    return f"m.{person:08d}"


def write_msceleb(root: Path, catalogue: Catalogue) -> Path:
    """Write a folder for each person, ``m.00000045/1-FaceId-0.jpg``.

    Args:
        root: The folder to write to.
        catalogue: Pictures whose people are known.

    Raises:
        ValueError: If a person is not known.
    """
    person = people_of(catalogue)
    for row, (number, rank) in enumerate(zip(person.tolist(), running_numbers(person).tolist(), strict=True)):
        place_picture(catalogue.pictures, row, root / mid_of(number) / f"{rank}-FaceId-0.jpg")
    return root
