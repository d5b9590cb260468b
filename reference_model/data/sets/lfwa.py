"""LFWA: 40 attributes of the pictures of Labeled Faces in the Wild, in two MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import AttributeLabels, Catalogue, PictureFolder
from reference_model.data.errors import DataError, first_few
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.common import contradictions, rows_with_files, warn_of_people_in_several_partitions
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import find_base
from reference_model.data.sets.hdf5 import open_matlab, read_indices, read_numbers, read_texts

LABELS = "lfw_att_40.mat"
PARTITION = "indices_train_test.mat"
PICTURES = ("lfw", "lfw-deepfunneled", "lfw_funneled", "lfwa", "images")
VALID_SHARE = 0.1
"""Share of the training people whose pictures are the validation partition."""
VALID_PICTURES = 20
"""Largest number of pictures of such a person."""


def read_lfwa(root: Path, options: ReadOptions) -> Catalogue:
    r"""Read LFWA.

    The labels' rows belong to pictures by name (``Aaron_Eckhart\Aaron_Eckhart_0001.jpg``, with a backslash), never by
    position. Which rows are for training and testing is in ``indices_img_train`` and ``indices_img_test``; the pictures
    of a tenth of the training people are for validation, drawn from those with at most 20 pictures (one person of LFW
    has 530, which would be most of the partition). People are the pictures' folders: ``indices_identity_train`` and its
    sister number the people of the whole of LFW, and are not used.

    Args:
        root: The folder that holds the two files, and the pictures ``Name/Name_0001.jpg`` in a folder ``lfw``,
            ``lfw-deepfunneled``, ``lfw_funneled``, ``lfwa`` or ``images``, or beside the files.
        options: ``missing`` and ``seed`` are used.

    Returns:
        Pictures with labels ``"attributes"`` in the file's order, and their people.

    Raises:
        DataError: If a file is missing, no MATLAB file of version 7.3, or contradicts itself: labels other than 0 and
            1, a name twice, a row in both partitions or in none, or (see ``options.missing``) pictures are missing.

    Warns:
        DataWarning: If a person is in two partitions, or rows without a picture are left out.
    """
    base = find_base(root, "LFWA") if not (root / LABELS).is_file() else root
    attributes, names = _read_labels(base / LABELS)
    split = _read_partition(base / PARTITION, len(names))
    folder = _picture_folder(base, names)
    people, person = np.unique([name.partition("/")[0] for name in names.tolist()], return_inverse=True)
    warn_of_people_in_several_partitions(base / PARTITION, person, split, people)
    held_out = _validation_people(person[split == "train"], seed=options.seed)
    split[np.isin(person, held_out) & (split == "train")] = "valid"
    catalogue = Catalogue(
        data="lfwa",
        pictures=PictureFolder(folder, names),
        labels={"attributes": attributes},
        split=split,
        person=person.astype(np.int64),
        notes=contradictions(attributes, person, "Male"),
    )
    return catalogue.rows(rows_with_files(folder, names, options.missing, labels=base / LABELS))


def _read_labels(path: Path) -> tuple[AttributeLabels, npt.NDArray[np.str_]]:
    """Return the attributes, and the pictures' names with forward slashes."""
    with open_matlab(path) as file:
        attributes = [name.strip() for name in read_texts(file, "AttrName", path)]
        names = [name.strip().replace("\\", "/").strip("/") for name in read_texts(file, "name", path)]
        values = read_numbers(file, "label", path)
    if values.shape != (len(names), len(attributes)):
        raise DataError(
            f"{path}: label must be {len(names)} x {len(attributes)}, a row for each name and a column for each "
            f"AttrName, got {' x '.join(map(str, values.shape))}"
        )
    wrong = np.argwhere(~np.isnan(values) & (values != 0) & (values != 1))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise DataError(
            f"{path}: {len(wrong)} labels are neither 0 nor 1; the first is {values[row, column]:g} for "
            f"{attributes[column]} of {names[row]}"
        )
    for what, listed in (("name", names), ("AttrName", attributes)):
        distinct, counts = np.unique(listed, return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f"{path}: {what} holds {(counts > 1).sum()} entries twice: {first_few(distinct[counts > 1])}"
            )
    plain = [name for name in names if name.count("/") != 1]
    if plain:
        raise DataError(f"{path}: {len(plain)} names are not of the form Person\\Person_0001.jpg: {first_few(plain)}")
    return AttributeLabels(tuple(attributes), values.astype(np.float32)), np.array(names)


def _read_partition(path: Path, length: int) -> npt.NDArray[np.str_]:
    """Return the partition of each row, where every row must be in exactly one."""
    with open_matlab(path) as file:
        train, test = (read_indices(file, f"indices_img_{part}", path, length=length) for part in ("train", "test"))
    both = np.intersect1d(train, test)
    if len(both):
        raise DataError(f"{path}: {len(both)} rows are for training and for testing: {first_few((both + 1).tolist())}")
    neither = np.setdiff1d(np.arange(length), np.concatenate([train, test]))
    if len(neither):
        raise DataError(
            f"{path}: {len(neither)} of {length} rows are neither for training nor for testing: "
            f"{first_few((neither + 1).tolist())}"
        )
    split = np.full(length, "train", dtype="U5")
    split[test] = "test"
    return split


def _validation_people(person: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.int64]:
    """Return the numbers of a tenth of the people, none of whom has many pictures."""
    people, pictures = np.unique(person, return_counts=True)
    candidates = people[pictures <= VALID_PICTURES]
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(candidates))
    return candidates[order[: round(VALID_SHARE * len(people))]]


def _picture_folder(base: Path, names: npt.NDArray[np.str_]) -> Path:
    """Return the folder that holds the people's folders, the first in which one of the named people has one."""
    people = sorted({name.partition("/")[0] for name in names.tolist()})
    folders = [base / name / inner for name in (*PICTURES, "") for inner in (name, "")]
    for folder in folders:
        if any((folder / person).is_dir() for person in people):
            return folder
    raise DataError(
        f"{base}: no folders of pictures such as {people[0]}, nor in its {', '.join(PICTURES)}: unpack lfw.tgz there"
    )


DATA_SETS = (
    DataSet(
        name="lfwa",
        title="LFWA",
        labels=("attributes",),
        layout=f"{LABELS}, {PARTITION} and the pictures in lfw/Name/Name_0001.jpg",
        terms="For non-commercial research only, by the agreement of the Chinese University of Hong Kong.",
        read=read_lfwa,
        check=check_by_reading(read_lfwa),
    ),
)
