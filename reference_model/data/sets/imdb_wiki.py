"""IMDB-WIKI: cropped faces with dates of birth and years of the photographs, in MATLAB files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import Catalogue, PictureFolder, YearLabels, seeded_split
from reference_model.data.errors import DataError
from reference_model.data.recognise import describe_layout
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.common import SHARES, rows_with_files
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.folders import find_base
from reference_model.data.sets.matlab import read_struct, strings
from reference_model.data.sets.people import normal_name

LAYOUT = "imdb_crop/ with imdb.mat, wiki_crop/ with wiki.mat, or one of them, and the cropped pictures below it"
LOWEST_SCORE = 1.0
OLDEST_YEARS = 100
MATLAB_DAYS = 366
"""MATLAB counts days from the year 0, which has 366."""
_LAST_DAY = 3_652_059
_FIELDS = ("dob", "photo_taken", "full_path", "name", "face_score", "second_face_score")


@dataclass(frozen=True)
class _Database:
    """What is used of one of the two files: its N rows and the numbers of rows that each rule removed."""

    files: npt.NDArray[np.str_]
    years: npt.NDArray[np.float32]
    people: list[str]
    total: int
    removed: dict[str, int] = field(default_factory=dict)


def read_imdb_wiki(root: Path, options: ReadOptions) -> Catalogue:
    """Read the cropped pictures of IMDB, WIKI or both.

    The age is the number of birthdays before 1 July of the photograph's year. Rows without a face, with a score of the
    face below 1, with a second face or with an age outside of 0 to 100 are left out, and counted in the notes. People
    are told apart by name, or by ``celeb_id`` where there is none, so that nobody is in two partitions; people divide
    8 : 1 : 1.

    Args:
        root: The folder that holds ``imdb_crop``, ``wiki_crop`` or both; or one of them.
        options: ``classes`` and ``exclude_names`` do not apply.

    Returns:
        Pictures with labels ``"age"``; a person is -1 where the row has neither name nor ``celeb_id``.

    Raises:
        DataError: If there is neither ``imdb.mat`` nor ``wiki.mat``, if one cannot be read or lacks a field, if no row
            remains, or if pictures are missing.

    Warns:
        DataWarning: If pictures are missing and ``options.missing`` is ``"skip"``.
    """
    base = find_base(root)
    databases = {name: _read(path, name, base) for name, path in _places(base).items()}
    files = np.concatenate([part.files for part in databases.values()])
    if not len(files):
        raise DataError(f"{base}: no row remains; {'; '.join(_notes(databases))}")
    people = np.array([key for part in databases.values() for key in part.people])
    distinct, number = np.unique(people, return_inverse=True)
    person = np.where(people == "", -1, number - int("" in distinct))
    alone = len(people) + np.arange(len(people))  # a row whose person is not known
    split = seeded_split(np.where(person < 0, alone, person), SHARES, seed=options.seed)
    catalogue = Catalogue(
        data="imdb_wiki",
        pictures=PictureFolder(base, files),
        labels={"age": YearLabels(np.concatenate([part.years for part in databases.values()]))},
        split=split,
        person=person,
        notes=_notes(databases),
    )
    lists = base / " and ".join(f"{name}.mat" for name in databases)
    return catalogue.rows(rows_with_files(base, files, options.missing, labels=lists))


def _places(base: Path) -> dict[str, Path]:
    """Return where the two files lie, of those that are there."""
    candidates = {name: (base / f"{name}_crop" / f"{name}.mat", base / f"{name}.mat") for name in ("imdb", "wiki")}
    present = {name: next((path for path in paths if path.is_file()), None) for name, paths in candidates.items()}
    places = {name: path for name, path in present.items() if path is not None}
    if not places:
        raise DataError(
            f"{base}: neither imdb.mat nor wiki.mat is in it, in imdb_crop or in wiki_crop; {describe_layout(base)}"
        )
    return places


def _read(path: Path, name: str, base: Path) -> _Database:
    fields = read_struct(path, name, _FIELDS)
    folder = f"{name}_crop/" if (base / f"{name}_crop").is_dir() else ""
    born, photo_year = (np.asarray(fields[key], dtype=np.float64).ravel() for key in ("dob", "photo_taken"))
    score, second = (np.asarray(fields[key], dtype=np.float64).ravel() for key in ("face_score", "second_face_score"))
    files, people = strings(fields["full_path"]), strings(fields["name"])
    lengths = {len(part) for part in (born, photo_year, score, second, files, people)}
    if len(lengths) > 1:
        raise DataError(f"{path}: its fields differ in length ({sorted(lengths)}); download it again")
    years = ages(born, photo_year)
    remaining = np.ones(len(years), dtype=bool)
    removed: dict[str, int] = {}
    for rule, passes in (
        ("no face (face_score -Inf or NaN)", score > -np.inf),
        (f"face_score below {LOWEST_SCORE:.0f}", score >= LOWEST_SCORE),
        ("a second face", ~(second > 0)),
        (f"an age outside of 0 to {OLDEST_YEARS}, or no date", (years >= 0) & (years <= OLDEST_YEARS)),
    ):
        removed[rule] = int((remaining & ~passes).sum())
        remaining &= passes
    rows = np.flatnonzero(remaining)
    numbers = fields.get("celeb_id")
    celebrities = np.full(len(years), np.nan) if numbers is None else np.asarray(numbers, dtype=np.float64).ravel()
    return _Database(
        np.array([folder + files[row] for row in rows.tolist()], dtype=np.str_),
        years[rows].astype(np.float32),
        [_person(people[row], float(celebrities[row])) for row in rows.tolist()],
        len(years),
        removed,
    )


def _person(name: str, celebrity: float) -> str:
    """Return what tells a person from others; nothing where nothing is known."""
    return normal_name(name) or ("" if np.isnan(celebrity) else f"celebrity {int(celebrity):06d}")


def ages(born: npt.NDArray[np.float64], photo_year: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the age on 1 July of the photograph's year.

    Args:
        born: (N,) days as MATLAB counts them: 1 is the first day of the year 0.
        photo_year: (N,) years.

    Returns:
        (N,) whole years, NaN where a date is not finite.

    Example:
        >>> ages(np.array([723676.0]), np.array([2009.0])).tolist()  # born on 10 May 1981
        [28.0]
    """
    known = np.isfinite(born) & np.isfinite(photo_year)
    # Dates of birth before the year 1 occur; they give ages that no rule lets through.
    day = np.clip(np.where(known, born, MATLAB_DAYS + 1).astype(np.int64) - MATLAB_DAYS, 1, _LAST_DAY)
    date = np.datetime64("0001-01-01", "D") + (day - 1)
    months = date.astype("datetime64[M]").astype(np.int64)  # since January 1970
    year, month = 1970 + months // 12, months % 12 + 1
    return np.where(known, np.where(known, photo_year, 0) - year - (month >= 7), np.nan)


def _notes(databases: dict[str, _Database]) -> tuple[str, ...]:
    """Say how many rows each rule removed, rules in the order in which they were applied."""
    return tuple(
        f"{name}.mat: of {part.total} rows, {len(part.files)} remain; removed were "
        + ", ".join(f"{count} with {rule}" for rule, count in part.removed.items())
        for name, part in databases.items()
    )


DATA_SETS = (
    DataSet(
        name="imdb_wiki",
        title="IMDB-WIKI",
        labels=("age",),
        layout=LAYOUT,
        terms="For academic research only; the pictures' rights stay with their owners.",
        read=read_imdb_wiki,
        check=check_by_reading(read_imdb_wiki),
    ),
)
