"""What the sets of faces with an age and a race share: the paper's races, and the catalogue they end in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import Catalogue, ClassLabels, PictureFolder, YearLabels

PAPER_RACES = ("white", "black", "yellow")
"""The paper's classes, in the order of their numbers."""


def faces_with_age_and_race(
    data: str,
    pictures: PictureFolder,
    *,
    years: npt.ArrayLike,
    races: Sequence[int],
    other_races: tuple[int, str],
    split: npt.NDArray[np.str_],
    notes: tuple[str, ...] = (),
    age_notes: tuple[str, ...] = (),
) -> Catalogue:
    """Return the catalogue of faces with an age and a race, nothing being known of the people.

    Args:
        data: The data set's name.
        pictures: N pictures.
        years: (N,) ages, NaN where missing.
        races: (N,) classes in `PAPER_RACES`, -1 where a race is missing or none of them.
        other_races: How many pictures show another race, and which, in words.
        split: (N,) the partitions.
        notes: On the pictures.
        age_notes: On the ages.
    """
    count, words = other_races
    race_notes = (f"{count} pictures have no race among {', '.join(PAPER_RACES)}: {words}",) if count else ()
    return Catalogue(
        data=data,
        pictures=pictures,
        labels={
            "race": ClassLabels(PAPER_RACES, np.array(races, dtype=np.int64)),
            "age": YearLabels(np.array(years, dtype=np.float32)),
        },
        split=split,
        notes=notes,
        label_notes={"age": age_notes, "race": race_notes},
    )
