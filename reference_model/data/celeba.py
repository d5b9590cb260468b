"""A reader of CelebA, in every common layout."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from reference_model.data.errors import DataError, DataWarning, first_few
from reference_model.data.layout import CelebaFiles, describe_absent_images, find_celeba
from reference_model.data.lists import Encoding, read_attribute_list, read_identities, read_partition
from reference_model.data.table import AttributeTable, PictureFiles

Missing = Literal["error", "skip", "ignore"]


def read_celeba(root: Path, *, missing: Missing = "error", encoding: Encoding = "auto") -> AttributeTable:
    """Read CelebA's labels, partition and identities, and check that the pictures are there.

    Nothing is downloaded. See `find_celeba` for the layouts. Pictures are matched between the lists by file name; lists
    of a part of the data set are fine.

    Args:
        root: The folder that holds the data set.
        missing: What to do about pictures that have labels but no file: ``"error"`` raises, ``"skip"`` leaves the rows
            out with a warning, ``"ignore"`` does not look (for work on labels alone).
        encoding: What the numbers in the attribute list mean; see `read_attribute_list`.

    Returns:
        The table, in the order of the attribute list, with the attributes in the file's order.

    Raises:
        DataError: If a list is missing, is not what its name says or contradicts itself, if a picture has labels and no
            partition, or if files are missing (see ``missing``).

    Warns:
        DataWarning: If the partition or the identities list pictures without labels or lack some, if a person is in
            two partitions, or if the full lists differ from the ones the authors distribute.
    """
    if missing not in ("error", "skip", "ignore"):
        raise ValueError(f"missing must be 'error', 'skip' or 'ignore', got {missing!r}")
    places = find_celeba(Path(root))
    labels = read_attribute_list(places.attributes, encoding=encoding)
    split = _match_partition(places, labels.files)
    identity = None if places.identity is None else _match_identities(places.identity, labels.files)
    if identity is not None:
        _warn_of_shared_identities(places.identity, identity, split)
    if places.images is None and missing != "ignore":
        raise DataError(f"the pictures are missing: {describe_absent_images(Path(root))}")
    images = places.images or places.attributes.parent / "img_align_celeba"
    table = AttributeTable(
        names=labels.names,
        files=PictureFiles(images, labels.files),
        targets=labels.targets,
        split=split,
        identity=identity,
    )
    return table if missing == "ignore" else _without_missing(table, images, labels.files.tolist(), missing)


def _without_missing(table: AttributeTable, images: Path, files: list[str], missing: Missing) -> AttributeTable:
    with os.scandir(images) as entries:
        present = {entry.name for entry in entries}
    absent = np.array([name not in present for name in files], dtype=bool)
    if not absent.any():
        return table
    names = [name for name, gone in zip(files, absent.tolist(), strict=True) if gone]
    message = f"{len(names)} of {len(files)} pictures with labels are not in {images}: {first_few(names)}"
    if missing == "error" or absent.all():
        raise DataError(message)
    warnings.warn(f"{message}; their rows are left out", DataWarning, stacklevel=3)
    return table.rows(~absent)


def _match_partition(places: CelebaFiles, files: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    listed, split = read_partition(places.partition)
    where = _lookup(listed, files)
    if (where < 0).any():
        absent = files[where < 0].tolist()
        raise DataError(
            f"{places.partition}: {len(absent)} pictures of {places.attributes.name} have no partition: "
            f"{first_few(absent)}"
        )
    _warn_of_extra(places.partition, listed, files)
    return split[where]


def _match_identities(path: Path, files: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    listed, identity = read_identities(path)
    where = _lookup(listed, files)
    absent = files[where < 0].tolist()
    if absent:
        warnings.warn(
            f"{path}: {len(absent)} pictures have no identity: {first_few(absent)}; theirs is set to -1",
            DataWarning,
            stacklevel=3,
        )
    _warn_of_extra(path, listed, files)
    return np.where(where < 0, -1, identity[where])


def _lookup(listed: npt.NDArray[np.str_], names: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Return the row of ``listed`` that holds each of ``names``, -1 where none does."""
    if len(listed) == len(names) and np.array_equal(listed, names):
        return np.arange(len(names))
    rows = {name: row for row, name in enumerate(listed.tolist())}
    return np.array([rows.get(name, -1) for name in names.tolist()], dtype=np.int64)


def _warn_of_extra(path: Path, listed: npt.NDArray[np.str_], files: npt.NDArray[np.str_]) -> None:
    if len(listed) > len(files) or not np.isin(listed, files).all():
        extra = sorted(set(listed.tolist()) - set(files.tolist()))
        if extra:
            warnings.warn(
                f"{path}: {len(extra)} pictures have no labels and are not used: {first_few(extra)}",
                DataWarning,
                stacklevel=4,
            )


def _warn_of_shared_identities(path: Path | None, identity: npt.NDArray[np.int64], split: npt.NDArray[np.str_]) -> None:
    known = identity >= 0
    pairs = np.unique(np.stack([identity[known].astype("U20"), split[known].astype("U20")]), axis=1)
    persons, counts = np.unique(pairs[0], return_counts=True)
    shared = persons[counts > 1].tolist()
    if shared:
        warnings.warn(
            f"{path}: {len(shared)} people are in more than one partition, so results on one say less about "
            f"strangers: {first_few(shared)}",
            DataWarning,
            stacklevel=3,
        )
