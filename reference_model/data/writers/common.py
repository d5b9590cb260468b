"""What the writers share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import AttributeLabels, Catalogue, ClassLabels, PictureFolder, PictureSource
from reference_model.data.sets.races import PAPER_RACES


def place_picture(source: PictureSource, row: int, path: Path) -> None:
    """Put a picture at ``path``: a hard link where it is a file on the same file system, else a copy of its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, PictureFolder):
        try:
            os.link(source.describe(row), path)
        except FileExistsError:
            raise
        except OSError:  # another file system, or one without hard links
            pass
        else:
            return
    path.write_bytes(source.read(row))


def running_numbers(groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number the rows of each group from 1, in their order.

    Example:
        >>> running_numbers(np.array([7, 3, 7])).tolist()
        [1, 1, 2]
    """
    order = np.argsort(groups, kind="stable")
    _, start, counts = np.unique(groups[order], return_index=True, return_counts=True)
    numbers = np.empty(len(groups), dtype=np.int64)
    numbers[order] = np.arange(len(groups)) - np.repeat(start, counts) + 1
    return numbers


def people_of(catalogue: Catalogue) -> npt.NDArray[np.int64]:
    """Return the number of the person in each picture: (N,) int64.

    Raises:
        ValueError: If they are not all known.
    """
    if catalogue.person is None or (catalogue.person < 0).any():
        raise ValueError(f"this format needs the person in each picture; {catalogue.data} does not say who they are")
    return catalogue.person


def attributes_of(catalogue: Catalogue, title: str) -> AttributeLabels:
    """Return the attributes, which the data set ``title`` cannot do without.

    Raises:
        ValueError: If there are none.
    """
    labels = catalogue.labels.get("attributes")
    if not isinstance(labels, AttributeLabels):
        raise ValueError(f"{title} needs attributes, which {catalogue.data} does not have")
    return labels


def genders(catalogue: Catalogue, words: tuple[str, str, str]) -> list[str]:
    """Return a word for each picture: for the attribute Male absent, present and not known."""
    labels = catalogue.labels.get("attributes")
    if not isinstance(labels, AttributeLabels) or "Male" not in labels.names:
        return [words[2]] * len(catalogue)
    return [words[int(value)] for value in np.nan_to_num(labels.values[:, labels.names.index("Male")], nan=2)]


def race_numbers(catalogue: Catalogue) -> npt.NDArray[np.int64]:
    """Return each picture's race as its number in `PAPER_RACES`, -1 where it is missing: (N,) int64.

    Raises:
        ValueError: If the catalogue has other races.
    """
    labels = catalogue.labels.get("race")
    if not isinstance(labels, ClassLabels):
        return np.full(len(catalogue), -1)
    if not set(labels.names) <= set(PAPER_RACES):
        raise ValueError(f"races must be among {', '.join(PAPER_RACES)}, got {', '.join(labels.names)}")
    numbers = np.array([*(PAPER_RACES.index(name) for name in labels.names), -1])
    return numbers[labels.values]
