"""Readers of label tables, one file a format; `open_tables` chooses among them."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from obrl.mining.errors import TableError
from obrl.mining.tables.arff import looks_like_arff, open_arff
from obrl.mining.tables.celeba import looks_like_celeba, open_celeba
from obrl.mining.tables.csv import open_csv
from obrl.mining.tables.lists import open_json_lines, open_lists
from obrl.mining.tables.npz import open_npz
from obrl.mining.tables.options import LabelTable, TableOptions
from obrl.mining.tables.parquet import MAGIC, open_parquet
from obrl.mining.tables.several import SeveralTables
from obrl.mining.tables.svmlight import looks_like_svmlight, open_svmlight
from obrl.mining.tables.text import first_lines, open_bytes

__all__ = ["LabelTable", "TableOptions", "open_tables"]

ZIP = b"PK\x03\x04"
READERS: dict[str, Callable[[str, TableOptions], LabelTable]] = {
    "csv": open_csv,
    "tsv": open_csv,
    "celeba": open_celeba,
    "parquet": open_parquet,
    "npz": open_npz,
    "jsonl": open_json_lines,
    "svmlight": open_svmlight,
    "arff": open_arff,
}
"""How each format is opened, by the names that `--format` takes."""
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
"""The formats of names; a folder's files are those with one of these, packed by gzip or not."""


def open_tables(paths: Sequence[str], options: TableOptions | None = None) -> LabelTable:
    r"""Open one or more label tables as one.

    Args:
        paths: files, folders, patterns such as `part-*.csv`, and URLs that fsspec opens. A folder stands for all
            tables in it, in the order of their names; XML files of MULAN belong to their ARFF file.
        options: what columns and values mean.

    Returns:
        The table; nothing but its beginning (and, for lists of labels, their names) has been read.

    Raises:
        TableError: no such file, a file that is no table of labels, or files with different labels.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels.csv"
        ...     _ = path.write_text("photo,Hat,Beard\na.jpg,1,0\nb.jpg,0,1\n")
        ...     open_tables([str(path)]).label_names
        ('Hat', 'Beard')
    """
    chosen = TableOptions() if options is None else options
    if chosen.format is not None and chosen.format not in READERS:
        raise TableError(f"--format must be one of {', '.join(READERS)}", file=paths[0], value=chosen.format)
    tables = [_open(path, chosen) for path in expand(paths)]
    return tables[0] if len(tables) == 1 else SeveralTables(tables)


def expand(paths: Sequence[str]) -> list[str]:
    """The files that paths, folders and patterns stand for, in order.

    Raises:
        TableError: a folder without tables, or a pattern that matches nothing.
    """
    files: list[str] = []
    for path in paths:
        if "://" not in path and Path(path).is_dir():
            inside = sorted(str(file) for file in Path(path).iterdir() if file.is_file() and format_of_name(str(file)))
            if not inside:
                raise TableError("the folder holds no table", file=path, remedy="name the files themselves")
            files += inside
        elif "://" not in path and not Path(path).exists() and glob.has_magic(path):
            matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - a pattern may be absolute
            if not matches:
                raise TableError("no file matches the pattern", file=path)
            files += matches
        else:
            files.append(path)
    return files


def format_of_name(path: str) -> str | None:
    """The format that a file's name says, or None."""
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def _open(path: str, options: TableOptions) -> LabelTable:
    name = options.format or format_of_content(path)
    if name in ("csv", "tsv") and options.list_column is not None:
        return open_lists(path, options)
    return READERS[name](path, options)


def format_of_content(path: str) -> str:
    """The format of a file, from its first bytes, and from its name where these fit several."""
    with open_bytes(path) as file:
        start = file.read(4)
    if start == MAGIC:
        return "parquet"
    if start == ZIP:
        return "npz"
    named = format_of_name(path)
    if named in ("parquet", "npz"):
        return named  # its reader says what is wrong
    lines = first_lines(path)
    if looks_like_arff(lines):
        return "arff"
    if looks_like_celeba(lines):
        return "celeba"
    if named is not None:
        return named
    if lines[0].lstrip().startswith("{"):
        return "jsonl"
    return "svmlight" if looks_like_svmlight(lines) else "csv"
