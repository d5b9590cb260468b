"""Whether the rows of one annotator, camera or source contradict the relations more than those of the others."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import MiningError

FloatArray = npt.NDArray[np.float64]
MOST_SUMS = 20_000_000
COLUMNS = (
    *("rows", "entries", "mean_score", "expected_score", "z"),
    *("worst_label", "label_score", "label_expected", "label_z"),
)
EMPTY = "(empty)"
"""What a printed table shows for a value that is empty."""


@dataclass(frozen=True, slots=True)
class ValueScore:
    """How much the rows of one value contradict the relations.

    Attributes:
        value: of the column.
        rows, entries: how many, of which entries are known.
        mean_score: of its entries.
        expected_score: what the same labels have on average over the whole table.
        z: the difference in standard errors, as if entries were independent.
        worst_label: the label with the highest z.
        label_score, label_expected, label_z: of that label.
    """

    value: str
    rows: int
    entries: int
    mean_score: float
    expected_score: float
    z: float
    worst_label: int
    label_score: float
    label_expected: float
    label_z: float


class ScoresByValue:
    """Adds up scores for each value of a column, label by label.

    Args:
        num_labels: M.
        column: its name.
    """

    def __init__(self, num_labels: int, column: str) -> None:
        self._num_labels, self.column = num_labels, column
        self._place: dict[str, int] = {}
        self._rows: list[int] = []
        self._sums = np.zeros((0, num_labels))
        self._counts = np.zeros((0, num_labels))
        self._squares = np.zeros(num_labels)

    def add(self, values: npt.NDArray[Any], scores: FloatArray, known: npt.NDArray[np.bool_]) -> None:
        """Add rows.

        Args:
            values: (rows,), of the column.
            scores: (rows, num_labels).
            known: (rows, num_labels); scores elsewhere do not matter.

        Raises:
            MiningError: so many values that the sums would fill the memory.
        """
        names, inverse = np.unique(values.astype(str), return_inverse=True)
        for name in names.tolist():
            if name not in self._place:
                self._place[name] = len(self._rows)
                self._rows.append(0)
        if len(self._rows) * self._num_labels > MOST_SUMS:
            raise MiningError(f"--by {self.column}: expected a column of few values, got over {len(self._rows):,}")
        more = len(self._rows) - len(self._sums)
        if more:
            self._sums = np.concatenate([self._sums, np.zeros((more, self._num_labels))])
            self._counts = np.concatenate([self._counts, np.zeros((more, self._num_labels))])
        score = np.where(known, scores, 0.0)
        order = np.argsort(inverse, kind="stable")
        sizes = np.bincount(inverse)
        for name, rows in zip(names.tolist(), np.split(order, np.cumsum(sizes)[:-1]), strict=True):
            place = self._place[name]
            self._rows[place] += len(rows)
            self._sums[place] += score[rows].sum(axis=0)
            self._counts[place] += known[rows].sum(axis=0)
        self._squares += (score**2).sum(axis=0)

    def result(self) -> list[ValueScore]:
        """One for each value, the highest z first."""
        total = np.maximum(self._counts.sum(axis=0), 1.0)
        mean = self._sums.sum(axis=0) / total
        variance = np.maximum(self._squares / total - mean**2, 1e-12)
        results = []
        for value, place in self._place.items():
            counts, sums = self._counts[place], self._sums[place]
            entries = counts.sum()
            difference = sums - counts * mean
            z = difference / np.sqrt(np.maximum(counts, 1.0) * variance)
            worst = int(z.argmax())
            results.append(
                ValueScore(
                    value,
                    self._rows[place],
                    int(entries),
                    float(sums.sum() / max(entries, 1.0)),
                    float((counts * mean).sum() / max(entries, 1.0)),
                    float(difference.sum() / np.sqrt(max((counts * variance).sum(), 1e-12))),
                    worst,
                    float(sums[worst] / max(counts[worst], 1.0)),
                    float(mean[worst]),
                    float(z[worst]),
                )
            )
        return sorted(results, key=lambda result: -result.z)


def cells(scores: Sequence[ValueScore], names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The cells of a row for each value, in text."""
    for s in scores:
        yield (
            *(s.value, str(s.rows), str(s.entries), f"{s.mean_score:.4f}", f"{s.expected_score:.4f}", f"{s.z:.1f}"),
            *(names[s.worst_label], f"{s.label_score:.4f}", f"{s.label_expected:.4f}", f"{s.label_z:.1f}"),
        )


def write_values(file: TextIO, column: str, scores: Sequence[ValueScore], names: Sequence[str]) -> None:
    """Write them as CSV, to a file that was opened with `newline=""`."""
    writer = csv.writer(file)
    writer.writerow((column, *COLUMNS))
    writer.writerows(cells(scores, names))
