"""CelebA: attributes of celebrities' faces, and its people as identities."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import AttributeLabels, Catalogue, PictureFolder
from reference_model.data.errors import DataError, DataWarning, first_few
from reference_model.data.layout import CelebaFiles, describe_absent_images, find_celeba
from reference_model.data.lists import Encoding, read_attribute_list, read_identities, read_partition
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.common import contradictions, rows_with_files, warn_of_people_in_several_partitions
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.people import excluded_people, identities_of_training_people, most_pictures

LAYOUT = (
    "list_attr_celeba.txt, list_eval_partition.txt, identity_CelebA.txt (or .csv) and the pictures in "
    "img_align_celeba, together or in Anno, Eval and Img"
)
TERMS = "For non-commercial research only, by the agreement of the Chinese University of Hong Kong."


def read_celeba_labels(root: Path, *, encoding: Encoding = "auto") -> Catalogue:
    """Read CelebA's labels, partition and identities, without looking for the pictures.

    See `find_celeba` for the layouts. Pictures are matched between the lists by file name; lists of a part of the data
    set are fine.

    Args:
        root: The folder that holds the data set.
        encoding: What the numbers in the attribute list mean; see `read_attribute_list`.

    Returns:
        Labels ``"attributes"`` in the order of the list, and the people where the identities are there.

    Raises:
        DataError: If a list is missing, is not what its name says or contradicts itself, or if a picture has labels and
            no partition.

    Warns:
        DataWarning: If the partition or the identities list pictures without labels or lack some, if a person is in two
            partitions, or if the full lists differ from the ones the authors distribute.
    """
    places = find_celeba(root)
    labels = read_attribute_list(places.attributes, encoding=encoding)
    split = _match_partition(places, labels.files)
    attributes = AttributeLabels(labels.names, labels.targets)
    person: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    if places.identity is not None:
        person = _match_identities(places.identity, labels.files)
        warn_of_people_in_several_partitions(places.identity, person, split)
        notes = contradictions(attributes, person, "Male")
    folder = places.images or places.attributes.parent / "img_align_celeba"
    return Catalogue("celeba", PictureFolder(folder, labels.files), {"attributes": attributes}, split, person, notes)


def read_celeba(root: Path, options: ReadOptions) -> Catalogue:
    """Read CelebA, and check that the pictures are there. Nothing is downloaded.

    Args:
        root: The folder that holds the data set.
        options: ``missing`` is used.

    Returns:
        Pictures with labels ``"attributes"``, and their people where the identities are there.

    Raises:
        DataError: As `read_celeba_labels`, and if pictures are missing (see ``options.missing``).

    Warns:
        DataWarning: As `read_celeba_labels`, and if rows without a picture are left out.
    """
    catalogue = read_celeba_labels(root)
    places = find_celeba(root)
    if places.images is None:
        raise DataError(f"the pictures are missing: {describe_absent_images(root)}")
    names = np.array([catalogue.pictures.name(row) for row in range(len(catalogue))])
    return catalogue.rows(rows_with_files(places.images, names, options.missing, labels=places.attributes))


def read_celeba_people(root: Path, options: ReadOptions) -> Catalogue:
    """Read CelebA's people as identities.

    People of the training partition are learned, and a tenth of their pictures are held out as ``"valid"``; those of
    the test partition are ``"test"``, for verification. The validation partition is not used, since it decides about
    nets for attributes.

    Args:
        root: The folder that holds the data set.
        options: ``classes`` are training people; ``exclude_names`` may list numbers of people.

    Raises:
        DataError: As `read_celeba`, and if the identities are missing.
    """
    catalogue = read_celeba(root, options)
    if catalogue.person is None:
        raise DataError(f"{root}: no identity_CelebA.txt, which says who is shown: download it from the authors")
    training = catalogue.split == "train"
    known = catalogue.person >= 0
    learned = np.isin(catalogue.person, catalogue.person[training & known])
    people = catalogue.rows(known & (training | ((catalogue.split == "test") & ~learned)))
    person = people.person
    assert person is not None
    numbers, place = np.unique(person, return_inverse=True)
    names = [str(number) for number in numbers.tolist()]
    excluded, notes = excluded_people(options, names, None, remedy="list numbers of people, since CelebA has no names")
    chosen = ~excluded[place] & (people.split == "train")
    chosen[chosen] = most_pictures(person[chosen], options.classes)
    chosen |= ~excluded[place] & (people.split == "test")
    people, person = people.rows(chosen), person[chosen]
    numbers, first = np.unique(person, return_index=True)
    labels, split = identities_of_training_people(
        person, people.split[first] == "train", [str(number) for number in numbers.tolist()], seed=options.seed
    )
    if not known.all():
        notes = (f"{int((~known).sum())} pictures are left out, whose person is not known", *notes)
    return Catalogue("celeba_people", people.pictures, {"identity": labels}, split, person, notes)


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


DATA_SETS = (
    DataSet(
        name="celeba",
        title="CelebA",
        labels=("attributes",),
        layout=LAYOUT,
        terms=TERMS,
        read=read_celeba,
        check=check_by_reading(read_celeba),
    ),
    DataSet(
        name="celeba_people",
        title="CelebA's people",
        labels=("identity",),
        layout=LAYOUT,
        terms=TERMS,
        read=read_celeba_people,
        check=check_by_reading(read_celeba_people),
    ),
)
