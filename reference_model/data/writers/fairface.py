"""Writing FairFace's layout."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import Catalogue, YearLabels
from reference_model.data.sets.fairface import RACES, TEST_LIST, TRAIN_LIST, range_of
from reference_model.data.writers.common import genders, place_picture, race_numbers

_HEADER = ("file", "age", "gender", "race", "service_test")


def write_fairface(root: Path, catalogue: Catalogue) -> Path:
    """Write two lists and the folders ``train`` and ``val``; the test partition is ``val``, the rest ``train``.

    Years become the ranges that hold them, so reading gives the ranges' middles; missing labels become empty fields.
    The gender is the attribute Male where the catalogue has it.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"race"`` (classes of `PAPER_RACES`), ``"age"``, or both.

    Raises:
        ValueError: If it has neither, or other races.
    """
    columns = (_ages(catalogue), genders(catalogue, ("Female", "Male", "")), _races(catalogue))
    if not {"age", "race"} & set(catalogue.labels):
        raise ValueError(f"FairFace needs labels of the kind race or age; {catalogue.data} has neither")
    root.mkdir(parents=True, exist_ok=True)
    for name, folder, rows in (
        (TRAIN_LIST, "train", np.flatnonzero(catalogue.split != "test")),
        (TEST_LIST, "val", np.flatnonzero(catalogue.split == "test")),
    ):
        with (root / name).open("w", encoding="utf-8", newline="") as stream:
            lines = csv.writer(stream, lineterminator="\n")
            lines.writerow(_HEADER)
            for number, row in enumerate(rows.tolist(), start=1):
                file = f"{folder}/{number}.jpg"
                place_picture(catalogue.pictures, row, root / file)
                lines.writerow((file, *(column[row] for column in columns), "False"))
    return root


def _races(catalogue: Catalogue) -> list[str]:
    words = {number: word for word, number in reversed(RACES.items())} | {-1: ""}
    return [words[number] for number in race_numbers(catalogue).tolist()]


def _ages(catalogue: Catalogue) -> list[str]:
    labels = catalogue.labels.get("age")
    if not isinstance(labels, YearLabels):
        return [""] * len(catalogue)
    return ["" if np.isnan(years) else range_of(years) for years in labels.values.tolist()]
