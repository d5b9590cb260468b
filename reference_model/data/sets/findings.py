"""What integrity checks share: a reader's errors, warnings and notes as findings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import SPLITS, Catalogue, ClassLabels
from reference_model.data.errors import DataError
from reference_model.data.registry import Finding, ReadOptions

Reader = Callable[[Path, ReadOptions], Catalogue]
Check = Callable[[Path], list[Finding]]


def check_by_reading(read: Reader) -> Check:
    """Return the integrity check of a data set whose reader says everything there is to say.

    What the reader raises is an error, what it warns of a warning; its notes and the numbers of pictures, labels and
    people are notes.
    """

    def check(root: Path) -> list[Finding]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                catalogue = read(root, ReadOptions(missing="skip"))
            except DataError as error:
                return [Finding("error", str(error))]
        differences = [Finding("warning", str(warning.message)) for warning in caught]
        facts = (*count_rows(catalogue), *catalogue.notes, *chain(*catalogue.label_notes.values()))
        return [*differences, *(Finding("note", text) for text in facts)]

    return check


def count_rows(catalogue: Catalogue) -> list[str]:
    """Say how many pictures, labels and people there are."""
    parts = ", ".join(f"{int((catalogue.split == split).sum())} {split}" for split in SPLITS)
    lines = [f"{len(catalogue)} pictures: {parts}"]
    if catalogue.person is not None:
        people = len(np.unique(catalogue.person[catalogue.person >= 0]))
        lines.append(f"{people} people")
    for name, labels in catalogue.labels.items():
        classes = f" of {len(labels.names)} classes" if isinstance(labels, ClassLabels) else ""
        lines.append(f"{int(labels.known().sum())} pictures have a label of the kind {name}{classes}")
    return lines
