"""MS-Celeb-1M as folders: one for each person, named by its MID in Freebase."""

from __future__ import annotations

from pathlib import Path

from reference_model.data.catalogue import Catalogue
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import find_base, folders_named
from reference_model.data.sets.people import identity_catalogue

LAYOUT = "a folder for each person, named by its MID, with pictures named rank-FaceID: m.01abc/7-FaceId-0.jpg"
TERMS = "Withdrawn by Microsoft in 2019; whoever still holds it is bound by the research agreement it came with."
NAME_LIST = "Top1M_MidList.Name.tsv"
MID = r"m\.[0-9a-z_]+"


def read_msceleb(root: Path, options: ReadOptions) -> Catalogue:
    """Read MS-Celeb-1M from a folder for each person.

    A list ``Top1M_MidList.Name.tsv`` beside the folders serves ``options.exclude_names``.

    Args:
        root: The folder that holds the people's folders, or a folder ``MsCelebV1-Faces-Aligned`` with them.
        options: ``classes`` are people.

    Returns:
        Pictures with identities; people are numbered in the order of their MIDs. See `identity_parts` for the
        partition.

    Raises:
        DataError: If no folder is named by a MID, or none holds pictures.

    Warns:
        DataWarning: If some folders have other names, or hold no pictures.
    """
    base = find_base(root, "MsCelebV1-Faces-Aligned")
    scan = folders_named(base, MID, "a MID, such as m.01abc")
    return identity_catalogue("msceleb", scan.pictures, scan.folder, scan.folders, options, name_list=base / NAME_LIST)


DATA_SETS = (
    DataSet(
        name="msceleb",
        title="MS-Celeb-1M (folders)",
        labels=("identity",),
        layout=LAYOUT,
        terms=TERMS,
        read=read_msceleb,
        check=check_by_reading(read_msceleb),
    ),
)
