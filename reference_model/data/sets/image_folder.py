"""Pictures in one folder a class, and ImageNet, which is laid out so."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import Catalogue, ClassLabels, PictureFolder, seeded_split
from reference_model.data.errors import DataError, DataWarning, first_few
from reference_model.data.recognise import describe_layout
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.common import SHARES
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import FolderScan, find_base, is_picture, scan_folders
from reference_model.data.sets.people import most_pictures

PARTS = {"train": ("train",), "valid": ("val", "valid", "validation"), "test": ("test",)}
"""Names of the folders of each partition."""
VALID_SHARE = 0.1
IMAGENET_VALID_SHARE = 0.05
"""Share of the training pictures that are the validation partition, where no folder is."""


def read_image_folder(root: Path, options: ReadOptions) -> Catalogue:
    """Read pictures in one folder a class.

    The folders of classes lie in ``train``, ``val`` (or ``valid``) and ``test``, or directly in the root. If there is
    no folder ``test``, the pictures of ``val`` are for testing. Where none is left for validation, a tenth of the
    training pictures are drawn; without any of these folders the pictures are divided 8 : 1 : 1. Classes are in natural
    order: ``class2`` before ``class10``. The classes may be people or races: the stages that learn these take them so.

    Args:
        root: The folder.
        options: ``classes`` and ``seed`` are used.

    Returns:
        Pictures with labels ``"class"``.

    Raises:
        DataError: If the root is missing or holds no folders with pictures, if a class's folder holds no pictures, or
            if pictures lie beside the folders of classes only.

    Warns:
        DataWarning: If there are classes without training pictures.
    """
    return _read("image_folder", find_base(root), options, valid_share=VALID_SHARE)


def read_imagenet(root: Path, options: ReadOptions) -> Catalogue:
    """Read ImageNet: ``train/n01440764/*.JPEG`` and ``val/n01440764/*.JPEG``.

    The pictures of ``val`` are for testing, since the labels of ImageNet's test pictures were never published; a
    twentieth of the training pictures are for validation.

    Args:
        root: The folder that holds ``train`` and ``val``, or the archive's ``ILSVRC/Data/CLS-LOC`` with them.
        options: ``classes`` and ``seed`` are used.

    Returns:
        Pictures with labels ``"class"``.

    Raises:
        DataError: As `read_image_folder`, and if ``train`` or ``val`` is missing.
    """
    base = find_base(root, "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
    for part in ("train", "val"):
        if not (base / part).is_dir():
            raise DataError(f"{base}: no folder {part} with ImageNet's classes; {describe_layout(base)}")
    return _read("imagenet", base, options, valid_share=IMAGENET_VALID_SHARE, parts=("train", "valid"))


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts numbers in names by their value.

    Example:
        >>> sorted(["class10", "class2", "Class1"], key=natural_order)
        ['Class1', 'class2', 'class10']
    """
    parts = re.findall(r"\d+|\D+", name.casefold())
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), (-2, name))


def _read(
    data: str, base: Path, options: ReadOptions, *, valid_share: float, parts: tuple[str, ...] = tuple(PARTS)
) -> Catalogue:
    folders = {part: name for part in parts for name in PARTS[part] if (base / name).is_dir()}
    if "train" not in folders:
        folders = {"train": ""}
    scans = {part: _scan(base / folder, of_a_part=bool(folder)) for part, folder in folders.items()}
    names = sorted({name for scan in scans.values() for name in scan.folders}, key=natural_order)
    number = {name: place for place, name in enumerate(names)}
    values = np.concatenate([np.array([number[name] for name in scan.folders])[scan.folder] for scan in scans.values()])
    paths = [np.char.add(f"{folders[part]}/", scan.pictures.names) for part, scan in scans.items()]
    pictures = PictureFolder(base, np.char.lstrip(np.concatenate(paths), "/"))
    part = np.repeat(list(scans), [len(scan.folder) for scan in scans.values()])
    _warn_of_untrained(base, names, values, part == "train")
    rows = np.flatnonzero(most_pictures(values, options.classes))
    present, values = np.unique(values[rows], return_inverse=True)
    return Catalogue(
        data=data,
        pictures=pictures.take(rows),
        labels={"class": ClassLabels(tuple(names[place] for place in present.tolist()), values)},
        split=_divide(part[rows], valid_share, seed=options.seed),
    )


def _scan(folder: Path, *, of_a_part: bool) -> FolderScan:
    """Return the pictures of the classes below a folder, each of which must have one.

    Args:
        folder: The folder.
        of_a_part: Whether this is the folder of a partition, not the root, which may be that of another data set.
    """
    with os.scandir(folder) as entries:
        listed = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    classes = [name for name, is_folder in listed if is_folder]
    loose = [name for name, is_folder in listed if not is_folder and is_picture(name)]
    if loose and not classes:
        raise DataError(
            f"{folder}: {len(loose)} pictures lie here without a folder for their class: {first_few(loose)}; move each "
            "into the folder of its class"
        )
    empty = sorted((name for name in classes if not _holds_pictures(folder / name)), key=natural_order)
    if empty and (of_a_part or len(empty) < len(classes)):
        raise DataError(
            f"{folder}: {len(empty)} of {len(classes)} folders of classes hold no pictures: {first_few(empty)}; add "
            "pictures or remove the folders"
        )
    if of_a_part and not classes:
        raise DataError(f"{folder}: holds no folders of classes; put the pictures of each class into a folder here")
    return scan_folders(folder)


def _holds_pictures(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(is_picture(entry.name) for entry in entries)


def _divide(part: np.ndarray, valid_share: float, *, seed: int) -> np.ndarray:
    """Return the partitions, of which three must have rows."""
    present = set(part.tolist())
    if present == {"train"}:
        return seeded_split(np.arange(len(part)), SHARES, seed=seed)
    split = part.astype("U5")
    if "test" not in present:
        split[part == "valid"] = "test"
    if "valid" not in present or "test" not in present:
        train = np.flatnonzero(part == "train")
        split[train] = seeded_split(train, {"train": 1 - valid_share, "valid": valid_share}, seed=seed)
    return split


def _warn_of_untrained(base: Path, names: list[str], values: np.ndarray, training: np.ndarray) -> None:
    untrained = np.setdiff1d(values, values[training])
    if len(untrained):
        warnings.warn(
            f"{base}: {len(untrained)} of {len(names)} classes have no training pictures: "
            f"{first_few([names[place] for place in untrained.tolist()])}",
            DataWarning,
            stacklevel=4,
        )


DATA_SETS = (
    DataSet(
        name="image_folder",
        title="Folders of pictures",
        labels=("class",),
        layout="a folder for each class with its pictures, in train, val and test, or directly in the root",
        terms="Those of whoever owns the pictures.",
        read=read_image_folder,
        check=check_by_reading(read_image_folder),
    ),
    DataSet(
        name="imagenet",
        title="ImageNet (ILSVRC 2012)",
        labels=("class",),
        layout="train/n01440764/*.JPEG and val/n01440764/*.JPEG, a folder for each of the 1,000 classes",
        terms="For non-commercial research and education only, by the agreement of image-net.org.",
        read=read_imagenet,
        check=check_by_reading(read_imagenet),
    ),
)
