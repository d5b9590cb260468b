"""Pictures of people in one MXNet record file, as InsightFace distributes CASIA-WebFace and MS-Celeb-1M."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import Catalogue, Rows
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.cache import cached_arrays
from reference_model.data.sets.files import find_file
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.people import identity_catalogue
from reference_model.data.sets.records import RecordFile, read_index

LAYOUT = "train.rec, its index train.idx, and property with the number of people: 85742,112,112"
NAME_LIST = "names.txt"
PROPERTY = "property"


@dataclass(frozen=True, eq=False)
class RecordPictures:
    """Pictures in a record file.

    Args:
        file: The file.
        keys: (N,) int64: their records' keys.
        offsets: (N,) int64: their records' first bytes.
    """

    file: RecordFile
    keys: Rows
    offsets: Rows

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.keys)

    def read(self, row: int) -> bytes:
        """Return the encoded picture of a row."""
        content = self.file.record(int(self.keys[row]), int(self.offsets[row])).content
        if not content:
            raise DataError(f"{self.describe(row)}: holds no picture")
        return content

    def name(self, row: int) -> str:
        """Return the file's name and the record's key."""
        return f"{self.file.path.name}/{self.keys[row]}"

    def describe(self, row: int) -> str:
        """Return the file, the record and its first byte."""
        return f"{self.file.path}, record {self.keys[row]} at byte {self.offsets[row]}"

    def take(self, rows: Rows) -> RecordPictures:
        """Return the pictures of some rows."""
        return RecordPictures(self.file, self.keys[rows], self.offsets[rows])


def read_recordio(root: Path, options: ReadOptions) -> Catalogue:
    """Read pictures of people from a record file.

    Where record 0 has several labels, its first is one more than the number of the last picture, and what follows the
    pictures are the people's ranges; otherwise each record is a picture. A picture's label is its person. Labels are
    read once and then stored in the user's cache. A list ``names.txt`` beside the file, with lines such as
    ``17 Ann_Bee``, serves ``options.exclude_names``.

    Args:
        root: The folder of the record file, or the file.
        options: ``classes`` are people.

    Returns:
        Pictures with identities; people have the labels' numbers. See `identity_parts` for the partition.

    Raises:
        DataError: If there is no record file or no index, or a record is not one; it names record and byte.

    Warns:
        DataWarning: If ``property`` says another number of people.
    """
    path = _record_file(root)
    file = RecordFile(path)
    index = path.with_suffix(".idx")
    keys, offsets = _pictures(file, index)
    pictures = RecordPictures(file, keys, offsets)
    (labels,) = cached_arrays((path, index), "labels", lambda: (_labels(pictures),), rows=len(pictures))
    numbers, place = np.unique(labels, return_inverse=True)
    _compare_property(path.with_name(PROPERTY), len(numbers))
    people = [str(number) for number in numbers.tolist()]
    return identity_catalogue(
        "recordio", pictures, place, people, options, name_list=path.with_name(NAME_LIST), numbers=numbers
    )


def _record_file(root: Path) -> Path:
    """Return the record file that a user means, if its index is there."""
    path = find_file(root, ".rec", usual="train.rec")
    index = path.with_suffix(".idx")
    if not index.is_file():
        raise DataError(f"{path}: its index {index.name} is missing: copy it to the same folder")
    return path


def _pictures(file: RecordFile, index: Path) -> tuple[Rows, Rows]:
    """Return keys and offsets of the records that are pictures."""
    keys, offsets = read_index(index)
    first = np.flatnonzero(keys == 0)
    if not len(first):
        return keys, offsets
    head = file.record(0, int(offsets[first[0]]))
    if not head.several:
        return keys, offsets
    rows = np.flatnonzero((keys > 0) & (keys < int(head.labels[0])))
    if len(rows) != int(head.labels[0]) - 1:
        raise DataError(
            f"{index}: lists {len(rows)} pictures, but record 0 of {file.path.name} says {int(head.labels[0]) - 1}; "
            "fetch both files anew"
        )
    return keys[rows], offsets[rows]


def _labels(pictures: RecordPictures) -> npt.NDArray[np.int64]:
    """Return the person in each picture."""
    labels = np.fromiter(_first_labels(pictures), dtype=np.float64, count=len(pictures))
    wrong = np.flatnonzero(~((labels >= 0) & (labels == np.floor(labels))))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(f"{pictures.describe(row)}: its label {labels[row]} is no person's number ({len(wrong)} such)")
    return labels.astype(np.int64)


def _first_labels(pictures: RecordPictures) -> Iterator[float]:
    for key, offset in zip(pictures.keys.tolist(), pictures.offsets.tolist(), strict=True):
        yield pictures.file.labels(key, offset)[0]


def _compare_property(path: Path, people: int) -> None:
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if text.split(",")[0] != str(people):
        warnings.warn(f"{path}: says {text[:60]!r}, but the records show {people} people", DataWarning, stacklevel=3)


DATA_SETS = (
    DataSet(
        name="recordio",
        title="Pictures of people in an MXNet record file",
        labels=("identity",),
        layout=LAYOUT,
        terms="Those of the pictures that were packed: CASIA-WebFace and MS-Celeb-1M are for non-commercial research.",
        read=read_recordio,
        check=check_by_reading(read_recordio),
    ),
)
