"""FairFace: pictures with a race and a range of ages, in two CSV files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import Catalogue, PictureFolder, seeded_split
from reference_model.data.errors import DataError, first_few
from reference_model.data.recognise import describe_layout
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.common import read_text, rows_with_files
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import find_base
from reference_model.data.sets.races import faces_with_age_and_race

LAYOUT = "fairface_label_train.csv and fairface_label_val.csv (file,age,gender,race,service_test), train/ and val/"
TRAIN_LIST = "fairface_label_train.csv"
TEST_LIST = "fairface_label_val.csv"
RACES: dict[str, int] = {
    "White": 0,
    "Black": 1,
    "East Asian": 2,
    "Southeast Asian": 2,
    "Indian": -1,
    "Middle Eastern": -1,
    "Latino_Hispanic": -1,
}
"""The class of each race in `PAPER_RACES`, -1 for those that the paper does not have."""
RANGES = ((0, 2), (3, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69))
OLDEST = "more than 70"
OLDEST_YEARS = 75.0
_AGE_NOTE = f"ages are ranges: the middle of each is its age, and '{OLDEST}' counts as {OLDEST_YEARS:.0f}"
_YEARS = {"": np.nan, OLDEST: OLDEST_YEARS, "70+": OLDEST_YEARS} | {f"{a}-{b}": (a + b) / 2 for a, b in RANGES}
_COLUMNS = ("file", "age", "race")


def read_fairface(root: Path, options: ReadOptions) -> Catalogue:
    """Read FairFace.

    An empty race or age is a missing label of that kind. The list of validation is the test partition, a tenth of the
    rows of the other, at random, the validation partition. Nothing says who the people are.

    Args:
        root: The folder that holds the lists and the pictures' folders.
        options: ``classes`` and ``exclude_names`` do not apply.

    Returns:
        Pictures with labels ``"race"`` (white, black, yellow) and ``"age"``.

    Raises:
        DataError: If a list is missing, lacks a column, holds another race or age, or names a picture twice, or if
            pictures are missing; it names the list and the line.

    Warns:
        DataWarning: If pictures are missing and ``options.missing`` is ``"skip"``.
    """
    base = find_base(root, "fairface", "FairFace")
    listed = [(*row, part) for name, part in ((TRAIN_LIST, "train"), (TEST_LIST, "test")) for row in _rows(base / name)]
    files, years, races, parts = (list(column) for column in zip(*listed, strict=True))
    repeated = [name for name, count in Counter(files).items() if count > 1]
    if repeated:
        raise DataError(f"{base}: {len(repeated)} pictures are listed twice: {first_few(repeated)}; remove a row")
    pictures = PictureFolder(base, np.array(files))
    rows = rows_with_files(base, pictures.names, options.missing, labels=base / "fairface_label_*.csv")
    split = np.array(parts)
    train = np.flatnonzero(split == "train")
    split[train] = seeded_split(np.arange(len(train)), {"train": 0.9, "valid": 0.1}, seed=options.seed)
    return faces_with_age_and_race(
        "fairface",
        pictures,
        years=years,
        races=[RACES.get(race, -1) for race in races],
        other_races=_other_races(races),
        split=split,
        age_notes=(_AGE_NOTE,),
    ).rows(rows)


def _other_races(races: list[str]) -> tuple[int, str]:
    others = Counter(race for race in races if RACES.get(race) == -1)
    return sum(others.values()), ", ".join(f"{count} {race}" for race, count in sorted(others.items()))


def _rows(path: Path) -> Iterator[tuple[str, float, str]]:
    """Yield file, years and race of each line of a list."""
    if not path.is_file():
        raise DataError(f"{path} is missing: expected {LAYOUT}; {describe_layout(path.parent)}")
    count = 0
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        absent = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if absent:
            raise DataError(f"{path}: its first line lacks the columns {', '.join(absent)}")
        for cells in reader:
            yield _parse(path, reader.line_num, cells)
            count += 1
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as CSV ({error})") from None
    if not count:
        raise DataError(f"{path}: lists no pictures; download it again")


def _parse(path: Path, line: int, cells: dict[str, str | None]) -> tuple[str, float, str]:
    file, age, race = (cells[column] for column in _COLUMNS)
    if not file or age is None or race is None:
        raise DataError(f"{path}, line {line}: is cut off; a row has file, age, gender, race and service_test")
    age, race = age.strip(), race.strip()
    if age not in _YEARS:
        raise DataError(f"{path}, line {line}: {age!r} is no age range; there are {', '.join(filter(None, _YEARS))}")
    if race and race not in RACES:
        raise DataError(f"{path}, line {line}: {race!r} is no race; there are {', '.join(RACES)}")
    return file, _YEARS[age], race


def range_of(years: float) -> str:
    """Return the range that holds an age.

    Example:
        >>> range_of(24.5)
        '20-29'
    """
    return next((f"{first}-{last}" for first, last in RANGES if years < last + 1), OLDEST)


DATA_SETS = (
    DataSet(
        name="fairface",
        title="FairFace",
        labels=("race", "age"),
        layout=LAYOUT,
        terms="CC BY 4.0; the pictures come from YFCC-100M.",
        read=read_fairface,
        check=check_by_reading(read_fairface),
    ),
)
