"""CASIA-WebFace: a folder of pictures for each person, named by seven digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reference_model.data.catalogue import Catalogue
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import find_base, folders_named
from reference_model.data.sets.people import identity_catalogue

LAYOUT = "a folder of seven digits for each person, with the pictures: 0000045/001.jpg"
NAME_LIST = "names.txt"


def read_casia(root: Path, options: ReadOptions) -> Catalogue:
    """Read CASIA-WebFace.

    A list ``names.txt`` beside the folders, with lines such as ``0000045 Ann_Bee``, serves ``options.exclude_names``.

    Args:
        root: The folder that holds the people's folders, or a folder ``CASIA-WebFace`` with them.
        options: ``classes`` are people.

    Returns:
        Pictures with identities; the number of a person is the folder's. See `identity_parts` for the partition.

    Raises:
        DataError: If no folder is named by seven digits, or none holds pictures.

    Warns:
        DataWarning: If some folders have other names, or hold no pictures.
    """
    base = find_base(root, "CASIA-WebFace", "casia-webface")
    scan = folders_named(base, r"\d{7}", "seven digits, such as 0000045")
    numbers = np.array([int(folder) for folder in scan.folders])
    return identity_catalogue(
        "casia", scan.pictures, scan.folder, scan.folders, options, name_list=base / NAME_LIST, numbers=numbers
    )


DATA_SETS = (
    DataSet(
        name="casia",
        title="CASIA-WebFace",
        labels=("identity",),
        layout=LAYOUT,
        terms="For non-commercial research only, by the agreement of the Institute of Automation, CAS.",
        read=read_casia,
        check=check_by_reading(read_casia),
    ),
)
