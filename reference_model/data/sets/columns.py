"""Tables in CSV by column, with the line of each row for messages."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_model.data.errors import DataError, first_few
from reference_model.data.sets.common import read_text


@dataclass(frozen=True)
class Columns:
    """A table.

    Args:
        path: The file.
        names: The columns' names, all different.
        rows: The rows' fields, one for each column.
        lines: The number of the file's line that each row ends in, from 1.
    """

    path: Path
    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def find(self, names: Sequence[str]) -> str | None:
        """Return the column that has one of some names, whatever its case; None if there is none."""
        spelled = {name.lower(): name for name in reversed(self.names)}
        return next((spelled[name] for name in names if name in spelled), None)

    def texts(self, name: str) -> list[str]:
        """Return a column's fields without spaces around them."""
        place = self.names.index(name)
        return [row[place].strip() for row in self.rows]

    def error(self, row: int, name: str, text: str) -> DataError:
        """Return an error that names the line and the column."""
        return DataError(f"{self.path}, line {self.lines[row]}, column {name}: {text}")


def read_columns(path: Path) -> Columns:
    """Read a table whose first line names the columns; fields are separated by commas, semicolons or tabs.

    Raises:
        DataError: If it is no such file, holds no rows, names a column twice, or a row has more or fewer fields.
    """
    lines = read_text(path).split("\n")
    separator = max(",;\t", key=lines[0].count)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    rows, numbers = [], []
    try:
        names = tuple(name.strip() for name in next(reader))
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if len(row) != len(names):
                raise DataError(
                    f"{path}, line {reader.line_num}: expected {len(names)} fields, got {len(row)}; put quotes around "
                    f"a field that holds {separator!r}"
                )
            rows.append(row)
            numbers.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated or "" in names:
        twice = f"; there are two called {first_few(repeated)}" if repeated else ""
        raise DataError(f"{path}, line 1: every column must have a name of its own{twice}")
    if not rows:
        raise DataError(f"{path}: holds no rows below its first line")
    return Columns(path, names, rows, numbers)
