"""From what a user names (files, folders, patterns, URLs) to files, and from names of files to formats."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from obrl.mining.errors import TableError

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".npz": "npz",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".svm": "svmlight",
    ".libsvm": "svmlight",
    ".svmlight": "svmlight",
    ".arff": "arff",
}
"""The formats of names; a folder's tables are the files with one of these, packed by gzip or not."""


def format_of_name(path: str) -> str | None:
    """The format that a file's name says, or None."""
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def expand(paths: Sequence[str]) -> list[str]:
    """The files that paths, folders, patterns and URLs stand for, each folder's and pattern's in natural order.

    Raises:
        TableError: a folder without tables, or a pattern that matches nothing.
    """
    files: list[str] = []
    for path in paths:
        if "://" in path:
            files += _expand_url(path)
        elif Path(path).is_dir():
            files += _tables_inside(path, path, [str(file) for file in Path(path).rglob("*") if file.is_file()])
        elif not Path(path).exists() and glob.has_magic(path):
            files += _matches(path, glob.glob(path, recursive=True))  # noqa: PTH207 - a pattern may be absolute
        else:
            files.append(path)
    return files


def natural_order(path: str) -> list[tuple[int, str]]:
    """A key for sorting under which part-2 comes before part-10.

    Example:
        >>> sorted(["part-10.csv", "part-2.csv"], key=natural_order)
        ['part-2.csv', 'part-10.csv']
    """
    pieces = re.split(r"([0-9]+)", path)
    return [(int(piece), piece) if piece.isdecimal() else (-1, piece) for piece in pieces]


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it; raises TableError without fsspec or for an unknown scheme."""
    try:
        import fsspec
    except ImportError:
        raise TableError("a URL needs fsspec", file=url, remedy="pip install fsspec") from None
    try:
        system, inside = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise TableError(f"the URL cannot be opened: {error}", file=url) from None
    return system, str(inside)


def _expand_url(url: str) -> list[str]:
    if url.startswith(("http://", "https://")):  # their file system would fetch pages to find out what is there
        return [url]
    system, inside = file_system(url)
    if glob.has_magic(inside):
        return [system.unstrip_protocol(file) for file in _matches(url, system.glob(inside))]
    if system.isdir(inside):
        return [system.unstrip_protocol(file) for file in _tables_inside(url, inside, system.find(inside))]
    return [url]


def _tables_inside(shown: str, folder: str, files: list[str]) -> list[str]:
    """The tables among a folder's files; names that begin with a dot or underscore are notes of other programs."""
    tables = []
    for file in files:
        names = PurePath(file).parts[len(PurePath(folder).parts) :]
        if format_of_name(file) is not None and not any(name.startswith((".", "_")) for name in names):
            tables.append(file)
    if not tables:
        raise TableError("the folder holds no table", file=shown, remedy="name the files themselves")
    return sorted(tables, key=natural_order)


def _matches(pattern: str, files: list[str]) -> list[str]:
    if not files:
        raise TableError("no file matches the pattern", file=pattern)
    return sorted(files, key=natural_order)
