"""MS-Celeb-1M as one table: seven columns between tabs, with the pictures in base64."""

from __future__ import annotations

import base64
import binascii
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import Catalogue, Rows
from reference_model.data.errors import DataError
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.cache import Arrays, cached_arrays
from reference_model.data.sets.files import LargeFile, find_file
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.msceleb import NAME_LIST, TERMS
from reference_model.data.sets.people import identity_catalogue
from reference_model.data.signatures import describe_impostor

LAYOUT = "one .tsv file; in each line MID, rank, picture's URL, page's URL, FaceID, rectangle and picture in base64"
USUAL_NAME = "FaceImageCroppedWithAlignment.tsv"
COLUMNS = 7


@dataclass(frozen=True, eq=False)
class TablePictures:
    """Pictures in the lines of a table.

    Args:
        file: The table.
        lines: (N,) their lines' numbers, from 0.
        bounds: (L + 1,) int64: the first byte of each of the table's L lines, and the end of the last.
        mids: The people's MIDs, sorted.
        person: (L,) the place in ``mids`` of each line's person.
    """

    file: LargeFile
    lines: npt.NDArray[np.integer]
    bounds: Rows
    mids: npt.NDArray[np.bytes_]
    person: npt.NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.lines)

    def read(self, row: int) -> bytes:
        """Return the encoded picture of a row."""
        line = int(self.lines[row])
        start, end = (int(bound) for bound in self.bounds[line : line + 2])
        text = self.file.read(start, end - start, where=self.describe(row)).rstrip(b"\r\n")
        try:
            return base64.b64decode(text[text.rfind(b"\t") + 1 :], validate=True)
        except binascii.Error as error:
            raise DataError(
                f"{self.describe(row)}: the picture is not in base64 ({error}); fetch the file anew"
            ) from None

    def name(self, row: int) -> str:
        """Return the person's MID and the line's number."""
        line = int(self.lines[row])
        return f"{self.mids[self.person[line]].decode()}/{line + 1}"

    def describe(self, row: int) -> str:
        """Return the file and the line."""
        return f"{self.file.path}, line {int(self.lines[row]) + 1}"

    def take(self, rows: Rows) -> TablePictures:
        """Return the pictures of some rows."""
        return TablePictures(self.file, self.lines[rows], self.bounds, self.mids, self.person)


def read_msceleb_tsv(root: Path, options: ReadOptions) -> Catalogue:
    """Read MS-Celeb-1M from its table of aligned faces.

    The table is read through once, for where its lines begin and whom they show; this is stored in the user's cache
    until the file's size or time changes. A list ``Top1M_MidList.Name.tsv`` beside it serves
    ``options.exclude_names``.

    Args:
        root: The folder of the table, or the table.
        options: ``classes`` are people.

    Returns:
        Pictures with identities; people are numbered in the order of their MIDs. See `identity_parts` for the
        partition.

    Raises:
        DataError: If there is no table, or a line is cut off or has other columns; it names the line.
    """
    path = find_file(root, ".tsv", usual=USUAL_NAME, unlike="Name.tsv")
    bounds, person, mids = cached_arrays((path,), "lines", lambda: _index(path))
    pictures = TablePictures(LargeFile(path), np.arange(len(person), dtype=np.int32), bounds, mids, person)
    people = [mid.decode(errors="replace") for mid in mids.tolist()]
    return identity_catalogue("msceleb_tsv", pictures, person, people, options, name_list=path.with_name(NAME_LIST))


def _index(path: Path) -> Arrays:
    """Return where the lines begin and end, whom each shows, and the people's MIDs."""
    impostor = describe_impostor(path)
    if impostor is not None:
        raise DataError(f"{path}: {impostor}")
    bounds, person = array("q", [0]), array("i")
    numbers: dict[bytes, int] = {}
    with path.open("rb", buffering=1 << 20) as stream:
        for number, line in enumerate(stream, start=1):
            _check_line(path, number, line)
            bounds.append(bounds[-1] + len(line))
            person.append(numbers.setdefault(line[: line.index(b"\t")], len(numbers)))
    mids = np.array(list(numbers))
    order = np.argsort(mids)
    rank = np.argsort(order).astype(np.int32)
    return np.array(bounds, dtype=np.int64), rank[np.array(person, dtype=np.int32)], mids[order]


def _check_line(path: Path, number: int, line: bytes) -> None:
    """Refuse a line that is cut off or has other columns."""
    columns = line.count(b"\t") + 1
    if columns == COLUMNS:
        text = line.rstrip(b"\r\n")
        if (len(text) - text.rfind(b"\t") - 1) % 4 == 0 and not text.endswith(b"\t"):
            return
        raise DataError(f"{path}, line {number}: is cut off within its picture; fetch the file anew")
    hint = "it is cut off, fetch the file anew"
    if columns == COLUMNS - 1 and number == 1:
        hint = "this looks like the table of thumbnails, not that of aligned faces"
    raise DataError(f"{path}, line {number}: has {columns} columns instead of {COLUMNS}; {hint}")


DATA_SETS = (
    DataSet(
        name="msceleb_tsv",
        title="MS-Celeb-1M (table)",
        labels=("identity",),
        layout=LAYOUT,
        terms=TERMS,
        read=read_msceleb_tsv,
        check=check_by_reading(read_msceleb_tsv),
    ),
)
