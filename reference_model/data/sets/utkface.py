"""UTKFace: pictures whose file names say age and race."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import Catalogue, PictureFolder, seeded_split
from reference_model.data.errors import DataError, first_few
from reference_model.data.recognise import describe_layout
from reference_model.data.registry import DataSet, Finding, ReadOptions
from reference_model.data.sets.common import SHARES
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import find_base
from reference_model.data.sets.races import faces_with_age_and_race

LAYOUT = "pictures named age_gender_race_date.jpg.chip.jpg, in one folder or in part1, part2 and part3"
RACES = {0: 0, 1: 1, 2: 2, 3: -1, 4: -1}
"""The class in `PAPER_RACES` of each number in a name: White, Black and Asian have one, Indian and others none."""
OLDEST_YEARS = 100
_NAME = re.compile(r"(\d{1,3})_[01]_([0-4])_\d+\.jpg(\.chip\.jpg)?")
_SUFFIXES = (".jpg", ".jpeg", ".png")
_NAMED = 20


def read_utkface(root: Path, options: ReadOptions) -> Catalogue:
    """Read UTKFace.

    Files whose names lack a part, or are misspelt, are left out and counted in the notes; so are ages above 100, whose
    pictures remain for the race. Nothing says who the people are, so rows divide 8 : 1 : 1.

    Args:
        root: The folder of the pictures, or one that holds ``UTKFace`` or ``part1`` to ``part3``.
        options: ``seed`` and ``max_unusable`` are used.

    Returns:
        Pictures with labels ``"age"`` and ``"race"`` (white, black, yellow).

    Raises:
        DataError: If there are no such files, or more of the names are malformed than ``max_unusable``.
    """
    base = find_base(root, "UTKFace")
    names, malformed = _list(base)
    total = len(names) + len(malformed)
    if not names:
        raise DataError(f"{base}: no picture is named like 24_0_1_20170116.jpg; {describe_layout(base)}")
    if len(malformed) > options.max_unusable * total:
        raise DataError(
            f"{base}: {len(malformed)} of {total} names are not age_gender_race_date.jpg, more than the "
            f"{options.max_unusable:.1%} that read.max_unusable allows: {first_few(malformed)}; rename or remove them"
        )
    parts = [_NAME.fullmatch(name.rpartition("/")[2]) for name in names]
    years, races = (np.array([int(part[group]) for part in parts if part is not None]) for group in (1, 2))
    listed = first_few(malformed, limit=_NAMED)
    too_old = years > OLDEST_YEARS
    return faces_with_age_and_race(
        "utkface",
        PictureFolder(base, np.array(names)),
        years=np.where(too_old, np.nan, years),
        races=[RACES[race] for race in races.tolist()],
        other_races=(sum(RACES[race] < 0 for race in races.tolist()), "Indian and others"),
        split=seeded_split(np.arange(len(names)), SHARES, seed=options.seed),
        notes=(f"{len(malformed)} of {total} files have malformed names and are left out: {listed}",) * bool(malformed),
        age_notes=(f"{int(too_old.sum())} ages above {OLDEST_YEARS} count as missing",) * bool(too_old.any()),
    )


def _list(base: Path) -> tuple[list[str], list[str]]:
    """Return the files whose names are as they should be, and the others."""
    well_formed: list[str] = []
    malformed: list[str] = []
    parts = [path.name for path in sorted(base.glob("part[123]")) if path.is_dir()]
    for part in parts or [""]:
        with os.scandir(base / part) as entries:
            listed = sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
        for name in listed:
            # What begins with a number or ends as a picture was meant to be one; lists and read-me files are none.
            if _NAME.fullmatch(name):
                well_formed.append(f"{part}/{name}" if part else name)
            elif re.match(r"\d+_", name) or name.lower().endswith(_SUFFIXES):
                malformed.append(f"{part}/{name}" if part else name)
    return well_formed, malformed


def check_utkface(root: Path) -> list[Finding]:
    """Check the names; malformed ones are warnings."""
    findings = check_by_reading(read_utkface)(root)
    return [
        Finding("warning", finding.text) if "malformed names" in finding.text and finding.level == "note" else finding
        for finding in findings
    ]


DATA_SETS = (
    DataSet(
        name="utkface",
        title="UTKFace",
        labels=("age", "race"),
        layout=LAYOUT,
        terms="For non-commercial research only; the pictures' rights stay with their owners.",
        read=read_utkface,
        check=check_utkface,
    ),
)
