"""Which group each row belongs to, from a file of ids and groups."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import TableError
from obrl.mining.tables.text import numbered_lines

GROUP = "group"
"""The name of the groups in a block's columns where they come from a file."""


class GroupFile:
    """A file with a row's id and its group on each line, separated by spaces, a comma or a tab.

    The form of CelebA's identity_CelebA.txt; a header line does no harm.

    Raises:
        TableError: a line without exactly two fields, or an id that occurs twice with different groups.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._group_of: dict[str, str] = {}
        for number, line in numbered_lines(path):
            if line.strip():
                self._add(line, number)

    def _add(self, line: str, number: int) -> None:
        delimiter = next((mark for mark in ",\t;" if mark in line), None)
        fields = line.split() if delimiter is None else next(csv.reader([line], delimiter=delimiter))
        if len(fields) != 2:
            raise TableError(
                f"expected two fields, a row's id and its group, got {len(fields)}", file=self.path, line=number
            )
        name, group = (field.strip() for field in fields)
        if self._group_of.setdefault(name, group) != group:
            raise TableError("the id has two groups", file=self.path, line=number, column=name, value=group)

    def groups(self, ids: npt.NDArray[Any], file: str, first_row: int) -> npt.NDArray[Any]:
        """The groups of rows; raises TableError for an id that the file lacks."""
        groups = np.empty(len(ids), object)
        for position, name in enumerate(ids.tolist()):
            if name not in self._group_of:
                raise TableError(f"the id has no group in {self.path}", file=file, row=first_row + position, value=name)
            groups[position] = self._group_of[name]
        return groups
