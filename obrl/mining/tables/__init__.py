"""Readers of label tables, one file a format; `open_tables` chooses among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from obrl.mining.errors import EmptyTable, TableError
from obrl.mining.tables.arff import looks_like_arff, open_arff
from obrl.mining.tables.celeba import looks_like_celeba, open_celeba
from obrl.mining.tables.csv import open_csv
from obrl.mining.tables.forecast import check_memory
from obrl.mining.tables.lists import open_json_lines, open_lists
from obrl.mining.tables.npz import open_npz
from obrl.mining.tables.options import LabelTable, TableOptions
from obrl.mining.tables.parquet import MAGIC, open_parquet
from obrl.mining.tables.paths import expand, format_of_name
from obrl.mining.tables.several import ListedTable, SeveralTables, check_seen, join_lists
from obrl.mining.tables.svmlight import looks_like_svmlight, open_svmlight
from obrl.mining.tables.text import first_lines, open_bytes

__all__ = ["LabelTable", "TableOptions", "open_tables"]

ZIP = b"PK\x03\x04"
ARCHIVES = (".zip", ".xlsx", ".xlsm", ".ods")
"""Names of files that begin as an .npz does and are none."""
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


def open_tables(paths: Sequence[str], options: TableOptions | None = None) -> LabelTable:
    r"""Open one or more label tables as one.

    Args:
        paths: files, folders, patterns such as `part-*.csv`, and URLs that fsspec opens. A folder stands for all
            tables in it and in its folders, in natural order of their names; XML files of MULAN belong to their ARFF
            file.
        options: what columns and values mean.

    Returns:
        The table; nothing but its beginning (and, for lists of labels, their names) has been read.

    Raises:
        TableError: no such file, a file that is no table of labels, files with different labels, or more labels than
            memory has room for.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels.csv"
        ...     _ = path.write_text("photo,Hat,Beard\na.jpg,1,0\nb.jpg,0,1\n")
        ...     open_tables([str(path)]).label_names
        ('Hat', 'Beard')
    """
    chosen = TableOptions() if options is None else options
    if chosen.format is not None and chosen.format not in READERS:
        raise TableError(f"--format must be one of {', '.join(READERS)}", file=paths[0], value=chosen.format)
    table = _open_several(expand(paths), chosen)
    check_memory(table)
    return table


def _open_several(files: Sequence[str], options: TableOptions) -> LabelTable:
    tables: list[LabelTable] = []
    empty: list[EmptyTable] = []
    for file in files:
        try:
            table = _open(file, options)
        except EmptyTable as error:
            empty.append(error)
            continue
        if tables and options.labels is None:
            table = _in_order_of(tables[0], table, options)
        tables.append(table)
    if not tables:
        raise empty[0]
    check_seen(tables)
    if len(tables) == 1:
        return tables[0]
    join_lists(tables)
    return SeveralTables(tables)


def _in_order_of(first: LabelTable, table: LabelTable, options: TableOptions) -> LabelTable:
    """The table, opened anew where its columns are those of the first in another order."""
    same = set(first.label_names) == set(table.label_names)
    if isinstance(table, ListedTable) or not same or first.label_names == table.label_names:
        return table
    return _open(table.files[0], replace(options, labels=first.label_names))


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
    if start == ZIP and path.lower().endswith(ARCHIVES):
        raise TableError(
            "the file is a zip archive or a spreadsheet", file=path, remedy="save the table as CSV, or unpack it"
        )
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
