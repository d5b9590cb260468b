"""Suspects with the file, row and id that they stand in, to print and to write."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

import numpy as np
import numpy.typing as npt

from obrl.mining.blocks import Block
from obrl.mining.by_value import ScoresByValue
from obrl.mining.residual import BoolArray, FloatArray, dense_rows, row_chunks
from obrl.mining.suspects import EXPLAINED_BY, Candidates, SuspectFinder
from obrl.mining.tables.ahead import read_ahead
from obrl.mining.tables.options import LabelTable

COLUMNS = (
    *("file", "row", "id", "label", "label_value", "probability", "score"),
    *(f"explained_by_{place}" for place in range(1, EXPLAINED_BY + 1)),
)


class Places:
    """Where the rows of a table stand, of which only those listed keep their ids."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._files: list[tuple[str, int]] = []
        self._ids: dict[int, str] = {}
        self._rows = 0

    def add(self, block: Block, id_column: str | None, listed: Sequence[Candidates]) -> None:
        """Note where a block stands, and the ids of those of its rows that are listed."""
        self._starts.append(self._rows)
        self._files.append((block.file, block.first_row))
        wanted = {int(row) for candidates in listed for row in candidates.row}
        self._ids = {row: name for row, name in self._ids.items() if row in wanted}
        if id_column is not None:
            column = block.columns[id_column]
            for row in wanted:
                if self._rows <= row < self._rows + block.rows:
                    self._ids[row] = str(column[row - self._rows])
        self._rows += block.rows

    def of(self, row: int) -> tuple[str, int, str]:
        """File, row in this file (from 1) and id, which is empty where there is none."""
        which = bisect_right(self._starts, row) - 1
        file, first = self._files[which]
        return file, first + row - self._starts[which], self._ids.get(row, "")


def read_suspects(
    table: LabelTable,
    finder: SuspectFinder,
    *,
    score: Callable[[int, FloatArray, BoolArray], FloatArray | None] | None = None,
    values: ScoresByValue | None = None,
    progress: Callable[[Block], None],
) -> Places:
    """Lead the rows of a table through a finder.

    Args:
        table: is read once.
        finder: gets all rows.
        score: gives rows other scores than the finder's, from the number of the first row, values and what is known.
        values: also gets the scores.
        progress: called with every block.

    Returns:
        Where the suspects stand.
    """
    places = Places()
    for block in read_ahead(table.blocks()):
        for rows in row_chunks(block.labels):
            labels, known = dense_rows(block.labels, rows)
            scores = finder.add(labels, known, None if score is None else score(finder.rows, labels, known))
            if values is not None:
                values.add(block.columns[values.column][rows], scores, known)
        places.add(block, table.id_column, (finder.overall, finder.per_label))
        progress(block)
    return places


def cells(
    candidates: Candidates, probabilities: npt.NDArray[np.float64], places: Places, names: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """The cells of `COLUMNS` for each entry, in text; a label that explains it stands with its value."""
    for k in range(len(candidates)):
        file, row, name = places.of(int(candidates.row[k]))
        because = [
            "" if partner < 0 else f"{names[partner]}={value}"
            for partner, value in zip(candidates.partners[k], candidates.partner_values[k], strict=True)
        ]
        numbers = (str(candidates.value[k]), f"{probabilities[k]:.4f}", f"{candidates.score[k]:.4f}")
        yield (file, str(row), name, names[candidates.label[k]], *numbers, *because)


def write_suspects(
    file: TextIO,
    candidates: Candidates,
    probabilities: npt.NDArray[np.float64],
    places: Places,
    names: Sequence[str],
) -> None:
    """Write them as CSV, to a file that was opened with `newline=""`."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(cells(candidates, probabilities, places, names))
