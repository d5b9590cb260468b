"""Writing IMDB-WIKI's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import Catalogue, YearLabels
from reference_model.data.sets.imdb_wiki import MATLAB_DAYS
from reference_model.data.writers.common import genders, place_picture

_FIRST_YEAR = 1990
_FOLDERS = 100


def write_imdb_wiki(root: Path, catalogue: Catalogue) -> Path:
    """Write ``imdb_crop/imdb.mat`` and its pictures, one face in each.

    Dates of birth lie in all months, and photographs in several years, so that whole years are read back; parts of a
    year are lost. A person's name and ``celeb_id`` come from its number.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"age"``, from 0 to 100.

    Raises:
        ValueError: If an age is not known.
    """
    from scipy.io import savemat

    labels = catalogue.labels.get("age")
    if not isinstance(labels, YearLabels) or not labels.known().all():
        raise ValueError(f"IMDB-WIKI needs an age for each picture, which {catalogue.data} does not have")
    count = len(catalogue)
    person = np.full(count, -1) if catalogue.person is None else catalogue.person
    files = [
        f"{row % _FOLDERS:02d}/nm{max(number, 0):07d}_rm{row:07d}.jpg" for row, number in enumerate(person.tolist())
    ]
    for row, file in enumerate(files):
        place_picture(catalogue.pictures, row, root / "imdb_crop" / file)
    photo_year = _FIRST_YEAR + np.arange(count) % 20
    distinct = np.unique(person[person >= 0])
    names = {number: f"Person {number:07d}" for number in distinct.tolist()} | {-1: ""}
    fields = {
        "dob": _dates_of_birth(labels.values, photo_year),
        "photo_taken": photo_year,
        "full_path": _cells(files),
        "gender": np.array([float(word) for word in genders(catalogue, ("0", "1", "nan"))]),
        "name": _cells([names[number] for number in person.tolist()]),
        "face_location": _cells([np.array([[1.0, 1.0, 100.0, 100.0]])] * count),
        "face_score": np.full(count, 3.0),
        "second_face_score": np.full(count, np.nan),
        "celeb_names": _cells([names[number] for number in distinct.tolist()]),
        "celeb_id": np.where(person < 0, np.nan, np.searchsorted(distinct, person) + 1.0),
    }
    savemat(root / "imdb_crop" / "imdb.mat", {"imdb": {key: value[np.newaxis] for key, value in fields.items()}})
    return root


def _dates_of_birth(years: npt.NDArray[np.float32], photo_year: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return days, as MATLAB counts them, of births that give these ages: on the tenth of each month in turn."""
    month = np.arange(len(years)) % 12 + 1
    year = photo_year - np.floor(years).astype(np.int64) - (month >= 7)
    date = ((year - 1970) * 12 + month - 1).astype("datetime64[M]").astype("datetime64[D]") + 9
    return (date - np.datetime64("0001-01-01", "D")).astype(np.int64) + 1 + MATLAB_DAYS


def _cells(values: list[str] | list[npt.NDArray[np.float64]]) -> npt.NDArray[np.object_]:
    """Return a cell array."""
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    return cells
