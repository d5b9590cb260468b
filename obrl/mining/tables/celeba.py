"""The text format of CelebA's attribute list: a count, the names, then a file name and -1 or 1 for each attribute.

Cells are separated by one or more spaces, and lines may end with CR LF and with spaces, all of which a reader of
delimited text refuses. So the spaces are collapsed on the way, block by block.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

from obrl.mining.blocks import ROWS_PER_BLOCK, Block
from obrl.mining.errors import TableError
from obrl.mining.tables.delimited import DelimitedTable, is_label
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import Offender, check_names, choose_roles
from obrl.mining.tables.text import first_lines, open_bytes

ID = "image_id"
"""The name of the column of file names, which the format leaves out; CelebA's CSV on other sites calls it so."""


def looks_like_celeba(lines: list[str]) -> bool:
    """Whether the first lines are a count and names, of which the rows have one cell more."""
    if len(lines) < 3 or not lines[0].strip().isdigit():
        return False
    return len(lines[2].split()) == len(lines[1].split()) + 1


class CelebATable(DelimitedTable):
    """A list of CelebA; the number of rows is that of the first line."""

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order; raises TableError where the file does not hold as many as its first line says."""
        yield from super().blocks(rows)
        if self._rows_read != self.rows:
            raise TableError(
                f"the first line says {self.rows} rows, and the file holds {self._rows_read}",
                file=self._path,
                remedy="fetch it again, or correct the first line",
            )


def open_celeba(path: str, options: TableOptions) -> CelebATable:
    """Open a list in CelebA's text format.

    Raises:
        TableError: another format.
    """
    lines = first_lines(path)
    if not looks_like_celeba(lines):
        raise TableError(
            "expected a line with the number of rows, a line of names, and rows of a file name and one value a name",
            file=path,
            remedy="say what it is with --format",
        )
    labels = lines[1].split()
    names = [ID, *labels]
    check_names(names, path)
    unusable: dict[str, Offender] = {}
    for row, line in enumerate(lines[2:200], 1):
        for name, cell in zip(names, line.split(), strict=False):
            if not is_label(cell):
                unusable.setdefault(name, Offender(cell, row))
    unusable.setdefault(ID, Offender("a file name", None))
    table = CelebATable(
        path,
        names,
        choose_roles(names, unusable, options, path),
        frozenset(),
        options,
        delimiter=" ",
        header_lines=2,
        open_rows=lambda: _rows(path),
        format_name="celeba",
    )
    table.rows = int(lines[0])
    return table


def _rows(path: str) -> IO[bytes]:
    file = open_bytes(path)
    file.readline()
    file.readline()
    return io.BufferedReader(_Collapsed(file), 2**20)


class _Collapsed(io.RawIOBase):
    """A file with single spaces between cells and none at the ends of lines."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ready = b""

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        """The position in the file as it is."""
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]
        if not self._ready:
            self._ready = self._next_lines()
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next_lines(self) -> bytes:
        lines = self._file.read(2**20) + self._file.readline()
        lines = lines.replace(b"\r\n", b"\n")
        while b"  " in lines:
            lines = lines.replace(b"  ", b" ")
        return lines.replace(b" \n", b"\n").replace(b"\n ", b"\n")
