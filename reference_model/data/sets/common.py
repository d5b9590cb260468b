"""What readers share about rows: pictures without files, people in two partitions, labels in contradiction."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from reference_model.attributes import normalise_name
from reference_model.data.catalogue import AttributeLabels
from reference_model.data.errors import DataError, DataWarning, first_few
from reference_model.data.fields import with_line_feeds
from reference_model.data.signatures import describe_encoding, describe_impostor

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
"""Shares of the partitions of a data set that defines none."""

LEFT_OUT = "their rows are left out"
"""What the warning of missing pictures says became of them."""

_REMEDIES = {
    "synthetic": "draw more: synthetic.num_valid, synthetic.num_test or, before the attributes, the people of pool.*",
    "table": "let its column split name rows of each partition, or leave this column out",
    "imagenet": "put pictures into train/CLASS/, which validation is part of, and val/CLASS/, which is for testing",
    "image_folder": "put pictures into a CLASS/ folder of each of train, val and test, or of the root alone",
    "celeba": "let list_eval_partition name pictures of each partition that are there and have labels",
}


def remedy_of_empty(data: str) -> str:
    """Say what to do about a partition of a data set that has no pictures.

    Args:
        data: The data set's name, or ``"synthetic"``.
    """
    return _REMEDIES.get(data, "download the set again, or add pictures with such labels to this partition")


def rows_with_files(
    root: Path, names: npt.NDArray[np.str_], missing: Literal["error", "skip"], *, labels: Path
) -> npt.NDArray[np.bool_]:
    """Return which rows have a picture file: (N,) bool.

    Args:
        root: The folder that the names are relative to.
        names: (N,) str: the pictures' paths, with forward slashes.
        missing: ``"error"`` refuses rows without a file, ``"skip"`` warns of them.
        labels: Where the rows were read, for messages.

    Raises:
        DataError: If no row has a file, or one lacks it and ``missing`` is ``"error"``.

    Warns:
        DataWarning: If rows lack a file and ``missing`` is ``"skip"``.
    """
    present: dict[str, set[str]] = {}
    has_file = np.ones(len(names), dtype=bool)
    for row, (folder, _, name) in enumerate(text.rpartition("/") for text in names.tolist()):
        if folder not in present:
            present[folder] = _files(root / folder)
        has_file[row] = name in present[folder]
    if has_file.all():
        return has_file
    absent = names[~has_file].tolist()
    message = f"{len(absent)} of {len(names)} pictures of {labels.name} are not in {root}: {first_few(absent)}"
    if missing == "error":
        raise DataError(f"{message}; --images.missing skip leaves them out")
    if not has_file.any():
        raise DataError(f"{message}; give the folder that holds them")
    warnings.warn(f"{message}; {LEFT_OUT}", DataWarning, stacklevel=3)
    return has_file


def _files(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError:
        return set()


def people_in_several_partitions(person: npt.NDArray[np.int64], split: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Return the people whose pictures are in more than one partition, sorted; -1 is nobody."""
    known = person >= 0
    people, partition = person[known], np.unique(split[known], return_inverse=True)[1]
    pairs = np.unique(np.stack([people, partition]), axis=1)
    distinct, counts = np.unique(pairs[0], return_counts=True)
    return distinct[counts > 1]


def warn_of_people_in_several_partitions(
    path: Path, person: npt.NDArray[np.int64], split: npt.NDArray[np.str_], names: npt.NDArray[np.str_] | None = None
) -> None:
    """Warn if people are in several partitions.

    Args:
        path: The file that says who is shown.
        person: (N,) their numbers, -1 where one is not known.
        split: (N,) the partitions.
        names: The people's names by number; None where they have none.
    """
    shared = people_in_several_partitions(person, split)
    if len(shared):
        listed = shared.tolist() if names is None else names[shared].tolist()
        warnings.warn(
            f"{path}: {len(shared)} people are in more than one partition, so results on one say less about "
            f"strangers: {first_few(listed)}",
            DataWarning,
            stacklevel=3,
        )


def contradictions(labels: AttributeLabels, person: npt.NDArray[np.int64], name: str) -> tuple[str, ...]:
    """Count the people whose pictures disagree on a label that does not change: a sentence, or nothing.

    Args:
        labels: The attributes.
        person: (N,) their numbers, -1 where one is not known.
        name: The attribute, such as ``"Male"``, in any spelling; nothing is said where there is none.
    """
    columns = [place for place, spelled in enumerate(labels.names) if normalise_name(spelled) == normalise_name(name)]
    if not columns:
        return ()
    values = labels.values[:, columns[0]]
    known = (person >= 0) & ~np.isnan(values)
    _, number = np.unique(person[known], return_inverse=True)
    present, pictures = np.bincount(number, weights=values[known]), np.bincount(number)
    several, mixed = int((pictures > 1).sum()), int(((present > 0) & (present < pictures)).sum())
    if not mixed:
        return ()
    return (f"the label {name} contradicts itself for {mixed} of the {several} people with two or more pictures",)


def read_text(path: Path) -> str:
    """Return the content of a text file in UTF-8, with LF at the end of each line.

    Raises:
        DataError: If it is missing, a web page or an archive, or in another encoding, which is named.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    impostor = describe_impostor(content) or describe_encoding(content)
    if impostor:
        raise DataError(f"{path}: {impostor}")
    try:
        return with_line_feeds(content.removeprefix(b"\xef\xbb\xbf")).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: is not encoded in UTF-8: save it in UTF-8") from None
