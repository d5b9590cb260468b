"""What stands in a text file, from its first bytes, and errors for what is no table."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from obrl.mining.errors import TableError
from obrl.mining.tables.paths import file_system

FIRST_BYTES = 2**22
GZIP = b"\x1f\x8b"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
BOM = b"\xef\xbb\xbf"


def open_bytes(path: str) -> IO[bytes]:
    """Open a file, or what fsspec finds at a URL, for reading; gzip is unpacked.

    Raises:
        TableError: there is no such file, or it is a folder or cannot be read.
    """
    try:
        if "://" in path:
            return _open_remote(path)
        file: IO[bytes] = Path(path).open("rb")  # noqa: SIM115 - the caller closes it
    except FileNotFoundError:
        raise TableError("there is no such file", file=path, remedy="check the path") from None
    except IsADirectoryError:
        raise TableError(
            "this is a folder", file=path, remedy="name the files in it, or a pattern such as 'folder/*.csv'"
        ) from None
    except OSError as error:
        raise TableError(f"the file cannot be read: {error.strerror or error}", file=path) from None
    packed = file.read(2) == GZIP
    file.seek(0)
    return io.BufferedReader(_Unzipped(file, path)) if packed else file


def _open_remote(path: str) -> IO[bytes]:
    system, inside = file_system(path)
    try:
        remote: IO[bytes] = system.open(inside, "rb", compression="infer")
    except FileNotFoundError:
        raise TableError("there is no such file", file=path, remedy="check the URL") from None
    except OSError as error:
        raise TableError(f"the file cannot be read: {error}", file=path) from None
    return remote


class _Unzipped(io.RawIOBase):
    """A gzip file whose damage is told as an error of the table."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._packed = file
        self._file = gzip.GzipFile(fileobj=file)
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._file.read(len(target))
        except (EOFError, OSError, zlib.error) as error:
            raise TableError(
                f"the gzip file is cut off or damaged ({error})", file=self._path, remedy="fetch it again"
            ) from None
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        self._packed.close()
        super().close()


def numbered_lines(path: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file, counted from 1; raises TableError where one is not UTF-8."""
    number = 0
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig") as lines:
        try:
            for number, line in enumerate(lines, 1):
                yield number, line
        except UnicodeDecodeError:
            raise not_utf8(path, number + 1) from None


def csv_records(lines: Iterable[str], delimiter: str, path: str, before: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The records of delimited text, each with the line that it ends on; raises TableError for what is none.

    Args:
        lines: of the file.
        delimiter: between cells.
        path: for errors.
        before: how many lines of the file stand before the first one.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for record in reader:
            yield before + reader.line_num, record
    except csv.Error as error:
        raise TableError(
            f"the line cannot be split into cells ({error})",
            file=path,
            line=before + reader.line_num,
            remedy="check that every quote is closed",
        ) from None


def first_lines(path: str) -> list[str]:
    """The lines in the first bytes of a file, without their ends; the last is dropped where it may be cut.

    Raises:
        TableError: an empty file, HTML, or another encoding than UTF-8.
    """
    with open_bytes(path) as file:
        start = file.read(FIRST_BYTES)
    check_start(start, path)
    text = _decoded(start.removeprefix(BOM), path, whole=len(start) < FIRST_BYTES)
    lines = text.splitlines()
    return lines if len(start) < FIRST_BYTES or len(lines) < 2 else lines[:-1]


def check_start(start: bytes, path: str) -> None:
    """Raise TableError for first bytes that begin no text table."""
    if not start.strip():
        raise TableError("the file is empty", file=path, remedy="check the path")
    if start.startswith(UTF16) or b"\x00" in start[:4096]:
        raise TableError(
            "the file is not UTF-8; it looks like UTF-16 or is no text",
            file=path,
            remedy=f"convert it, as with iconv -f UTF-16 -t UTF-8 {os.path.basename(path)}",  # noqa: PTH119 - a URL may be it
        )
    if start.lstrip()[:15].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise TableError("the file is a web page, not a table", file=path, remedy="download the table itself")
    if b"\r" in start and b"\n" not in start:
        raise TableError(
            "its lines end with CR alone, as on old Macintoshes",
            file=path,
            remedy=f"convert it, as with tr '\\r' '\\n' < {os.path.basename(path)}",  # noqa: PTH119 - a URL may be it
        )


def _decoded(start: bytes, path: str, *, whole: bool) -> str:
    try:
        return start.decode("utf-8")
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(start) - 4:  # a character that the first bytes cut in two
            return start[: error.start].decode("utf-8")
        raise not_utf8(path, start.count(b"\n", 0, error.start) + 1) from None


def is_utf8(line: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def not_utf8(path: str, line: int | None) -> TableError:
    """The error for bytes that are no UTF-8."""
    return TableError(
        "the file is not UTF-8; it may be latin-1",
        file=path,
        line=line,
        remedy="convert it, as with iconv -f LATIN1 -t UTF-8",
    )
