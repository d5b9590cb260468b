"""SUN397: pictures of scenes in folders of one or two levels below their first letter."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import Catalogue, ClassLabels, seeded_split
from reference_model.data.errors import DataError, DataWarning, first_few
from reference_model.data.recognise import describe_layout
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.common import SHARES, read_text
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import FolderScan, find_base, scan_folders
from reference_model.data.sets.people import most_pictures

LAYOUT = "ClassName.txt and the pictures below the scenes' first letters: a/abbey/sun_x.jpg, a/apse/indoor/sun_y.jpg"
CLASS_LIST = "ClassName.txt"


def read_sun397(root: Path, options: ReadOptions) -> Catalogue:
    """Read SUN397.

    A picture's class is its path without the letter and the file's name: ``apse/indoor``. Classes are sorted. The ten
    official partitions use a third of the pictures and are not read: the rows are divided at random, 8 : 1 : 1.

    Args:
        root: The folder that holds ``ClassName.txt``, or a folder ``SUN397`` with it.
        options: ``classes`` are scenes.

    Returns:
        Pictures with labels ``"class"``.

    Raises:
        DataError: If there are no folders of scenes, or a scene's pictures lie in a folder that the list lacks.

    Warns:
        DataWarning: If the list is missing, or names scenes without pictures.
    """
    base = find_base(root, "SUN397")
    scan = scan_folders(base, depth=(2, 3))
    wrong = [folder for folder in scan.folders if len(folder.split("/")[0]) != 1]
    if wrong:
        raise DataError(
            f"{base}: expected folders of single letters with scenes in them, got {first_few(wrong, limit=2)}; "
            f"{describe_layout(base)}"
        )
    _compare_list(base / CLASS_LIST, scan)
    names = [folder.split("/", 1)[1] for folder in scan.folders]
    order = np.argsort(np.array(names), kind="stable")
    rank = np.argsort(order)
    rows = np.flatnonzero(most_pictures(scan.folder, options.classes))
    present, values = np.unique(rank[scan.folder[rows]], return_inverse=True)
    return Catalogue(
        data="sun397",
        pictures=scan.pictures.take(rows),
        labels={"class": ClassLabels(tuple(names[order[place]] for place in present.tolist()), values)},
        split=seeded_split(np.arange(len(rows)), SHARES, seed=options.seed),
    )


def _compare_list(path: Path, scan: FolderScan) -> None:
    """Compare the list of classes with the folders that hold pictures."""
    if not path.is_file():
        warnings.warn(f"{path} is missing: the scenes are the folders that hold pictures", DataWarning, stacklevel=3)
        return
    listed = {line.strip().strip("/") for line in read_text(path).splitlines()} - {""}
    unlisted = sorted(set(scan.folders) - listed)
    if unlisted:
        raise DataError(
            f"{path}: lacks {len(unlisted)} folders that hold pictures: {first_few(unlisted, limit=3)}; "
            f"add them to the list, or remove the folders"
        )
    absent = sorted(listed - set(scan.folders))
    if absent:
        warnings.warn(
            f"{path}: {len(absent)} of {len(listed)} scenes have no pictures and are not used: {first_few(absent)}",
            DataWarning,
            stacklevel=3,
        )


DATA_SETS = (
    DataSet(
        name="sun397",
        title="SUN397",
        labels=("class",),
        layout=LAYOUT,
        terms="For research only; the pictures belong to those who took them.",
        read=read_sun397,
        check=check_by_reading(read_sun397),
    ),
)
