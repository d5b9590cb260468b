"""CelebA: attributes of celebrities' faces, and its people as identities."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reference_model.data.catalogue import AttributeLabels, Catalogue, PictureFolder
from reference_model.data.celeba import read_celeba as read_table
from reference_model.data.errors import DataError
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.common import contradictions
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.people import excluded_people, identities_of_training_people, most_pictures
from reference_model.data.table import PictureFiles

LAYOUT = (
    "list_attr_celeba.txt, list_eval_partition.txt, identity_CelebA.txt (or .csv) and the pictures in "
    "img_align_celeba, together or in Anno, Eval and Img"
)
TERMS = "For non-commercial research only, by the agreement of the Chinese University of Hong Kong."


def read_celeba(root: Path, options: ReadOptions) -> Catalogue:
    """Read CelebA's attributes; see `reference_model.data.celeba.read_celeba` for the layouts.

    Args:
        root: The folder that holds the data set.
        options: ``missing`` is used.

    Returns:
        Pictures with labels ``"attributes"``, and their people where the identities are there.

    Raises:
        DataError: If a list or pictures are missing, or not what they should be.

    Warns:
        DataWarning: If the lists do not cover the same pictures, or a person is in two partitions.
    """
    table = read_table(root, missing=options.missing)
    assert isinstance(table.files, PictureFiles)
    labels = AttributeLabels(table.names, table.targets)
    pictures = PictureFolder(table.files.folder, table.files.file_names)
    notes = () if table.identity is None else contradictions(labels, table.identity, "Male")
    return Catalogue("celeba", pictures, {"attributes": labels}, table.split, table.identity, notes)


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
