"""Writing UTKFace's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reference_model.data.catalogue import Catalogue, YearLabels
from reference_model.data.writers.common import genders, place_picture, race_numbers

_OTHERS = 4


def write_utkface(root: Path, catalogue: Catalogue) -> Path:
    """Write pictures whose names say age, gender and race.

    Parts of a year are lost. A missing race is written as "others". The gender is the attribute Male where the
    catalogue has it, else 1, which is what a name must have.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"age"``, and ``"race"`` of `PAPER_RACES` if it has them.

    Raises:
        ValueError: If an age is not known, or there are other races.
    """
    labels = catalogue.labels.get("age")
    if not isinstance(labels, YearLabels) or not labels.known().all():
        raise ValueError(f"UTKFace needs an age for each picture, which {catalogue.data} does not have")
    years = np.floor(labels.values).astype(np.int64).tolist()
    races = [_OTHERS if race < 0 else race for race in race_numbers(catalogue).tolist()]
    words = genders(catalogue, ("1", "0", "1"))  # 0 is male
    for row, (age, gender, race) in enumerate(zip(years, words, races, strict=True)):
        place_picture(catalogue.pictures, row, root / f"{age}_{gender}_{race}_20170101{row:09d}.jpg.chip.jpg")
    return root
