"""CSV and TSV."""

from __future__ import annotations

from pathlib import PurePath
from typing import IO

from obrl.mining.errors import TableError
from obrl.mining.tables.delimited import EMPTY_WORDS, FALSE, TRUE, DelimitedTable, is_label
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import check_names, choose_roles, may_name_rows, offender_of
from obrl.mining.tables.text import BOM, csv_records, first_lines, open_bytes

SAMPLE_ROWS = 200


def open_csv(path: str, options: TableOptions) -> DelimitedTable:
    """Open a CSV or TSV file with a header.

    Args:
        path: a file or URL, which may be packed by gzip.
        options: of the user; the delimiter is a tab for `format="tsv"` and names that end so, else the most frequent of
            comma, semicolon and tab in the header.

    Raises:
        TableError: no table of labels; the message names what to do.
    """
    lines = first_lines(path)
    blank = next(number for number, line in enumerate(lines) if line.strip())  # lines above the header
    delimiter = delimiter_of(path, lines[blank], options)
    records = [record for _, record in csv_records(lines[blank:], delimiter, path) if record][: SAMPLE_ROWS + 1]
    names = [name.strip() for name in records[0]]
    check_names(names, path)
    if len(records) == 1:
        raise TableError("the table has a header and no rows", file=path)
    columns = {name: [r[place] for r in records[1:] if place < len(r)] for place, name in enumerate(names)}
    offenders = {name: offender_of(cells, [is_label(cell) for cell in cells]) for name, cells in columns.items()}
    unusable = {name: offender for name, offender in offenders.items() if offender is not None}
    words = {name for name, cells in columns.items() if any(map(_is_worded, cells))}
    empty = {name for name, cells in columns.items() if all(cell.strip() in EMPTY_WORDS for cell in cells)}
    first = [record[0] for record in records[1:]]
    names_rows = may_name_rows(first, [is_label(cell) for cell in first])
    return DelimitedTable(
        path,
        names,
        choose_roles(names, unusable, options, path, first_names_rows=names_rows),
        frozenset(words | empty),
        options,
        delimiter=delimiter,
        header_lines=blank + 1,
        open_rows=lambda: _after_header(path),
        format_name="tsv" if delimiter == "\t" else "csv",
    )


def _is_worded(cell: str) -> bool:
    """Whether a label is written as text: as true or false, or as an empty cell with spaces around it."""
    text = cell.strip()
    return text in (*TRUE, *FALSE) or (text in EMPTY_WORDS and text != cell)


def delimiter_of(path: str, header: str, options: TableOptions) -> str:
    """The delimiter that the format's name, the file's name or the header says."""
    if options.format == "tsv" or (options.format is None and ".tsv" in PurePath(path).suffixes):
        return "\t"
    return max(",;\t", key=header.count)


def _after_header(path: str) -> IO[bytes]:
    """The file, opened after the header, which may hold line ends in quotes and stand below blank lines."""
    file = open_bytes(path)
    header = file.readline()
    while header and not header.removeprefix(BOM).strip():
        header = file.readline()
    while header.count(b'"') % 2:
        more = file.readline()
        if not more:
            break
        header += more
    return file
