"""Counts of a whole table, and of the groups of rows that the jackknife leaves out one at a time."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.blocks import DenseLabels, SparseLabels
from obrl.mining.counting import count_labels, some_rows

PARTS = 32
"""The most parts of the rows for the jackknife; with groups, a group's name is hashed to one of them."""
MOST_LABELS_WITH_PARTS = 2_000
"""With more labels the counts of parts are not stored: 32 matrices would take gigabytes."""


@dataclass(frozen=True, slots=True, repr=False)
class TableCounts:
    """What the statistics of a table are computed from.

    Attributes:
        counts: exact over all rows; int64, each field (num_labels, num_labels).
        rows: the number of rows.
        groups: the same for up to 32 parts of the rows, int32 where that holds them, with the part as first axis;
            fields broadcast to (parts, num_labels, num_labels). None with more than 2,000 labels.
        grouped: whether a part holds whole groups, such as all pictures of a person; else it is consecutive rows.
        label_names: num_labels names, or None.
        num_groups: how many groups there are; None without groups, and where that was not counted.
    """

    counts: PairCounts
    rows: int
    groups: PairCounts | None
    grouped: bool
    label_names: tuple[str, ...] | None
    num_groups: int | None = None

    def __repr__(self) -> str:
        return f"TableCounts({self.rows:,} rows x {self.num_labels} labels)"

    @property
    def num_labels(self) -> int:
        """M."""
        return len(self.counts.s)

    @property
    def rates(self) -> npt.NDArray[np.float64]:
        """The share of present among the known entries of each label, (num_labels,); NaN where none is known."""
        known = self.counts.n.diagonal()
        rates = np.full(self.num_labels, np.nan)
        np.divide(self.counts.s.diagonal(), known, out=rates, where=known > 0)
        return rates


class TableCounter:
    """Adds up blocks of rows.

    Consecutive rows fall into parts of equal size, at first a 32nd of the first block. When there are 64 parts,
    neighbours are merged, so that their number stays bounded for any number of rows; the result has at most 32.
    With groups, a row's part is the CRC-32 of its group's name modulo 32, whatever the order of rows.

    Args:
        num_labels: M.
        grouped: whether `add` gets groups.
    """

    def __init__(self, num_labels: int, *, grouped: bool = False) -> None:
        self.num_labels = num_labels
        self.grouped = grouped
        self.rows = 0
        self._with_parts = num_labels <= MOST_LABELS_WITH_PARTS
        self._parts: list[PairCounts | None] = [None] * PARTS if grouped else []
        self._most_parts = 2 * PARTS
        self._part_rows = 0
        self._rows_in_last = 0
        self._total: PairCounts | None = None
        self._part_of: dict[Any, int] = {}
        self._result: TableCounts | None = None

    def add(self, labels: DenseLabels | SparseLabels, groups: npt.NDArray[Any] | None = None) -> None:
        """Add rows.

        Args:
            labels: of the next rows.
            groups: (rows,), the name of each row's group; where the counter is `grouped`.
        """
        if labels.rows == 0:
            return
        self.rows += labels.rows
        self._result = None
        if not self._with_parts:
            self._total = added(self._total, count_labels(labels))
        elif self.grouped:
            self._add_grouped(labels, groups)
        else:
            self._add_consecutive(labels)

    def _add_grouped(self, labels: DenseLabels | SparseLabels, groups: npt.NDArray[Any] | None) -> None:
        if groups is None:
            raise ValueError("groups must name the group of every row, as for the rows before, got None")
        parts = np.array([self._hashed(name) for name in groups.tolist()], np.intp)
        for part in np.unique(parts).tolist():
            self._add_to(part, some_rows(labels, np.flatnonzero(parts == part)))

    def _add_to(self, part: int, labels: DenseLabels | SparseLabels) -> None:
        """Add rows to a part, whose counts take half the memory of the table's as long as its rows allow that."""
        self._parts[part] = narrowed(added(self._parts[part], count_labels(labels)))

    def _hashed(self, name: Any) -> int:
        if name not in self._part_of:
            self._part_of[name] = part_of_group(name)
        return self._part_of[name]

    def _add_consecutive(self, labels: DenseLabels | SparseLabels) -> None:
        rows = labels.rows
        if not self._part_rows:
            self._part_rows = self._first_part_rows(rows)
        start = 0
        while start < rows:
            if not self._parts or self._rows_in_last == self._part_rows:
                self._merge_neighbours(self._most_parts)
                self._parts.append(None)
                self._rows_in_last = 0
            stop = min(rows, start + self._part_rows - self._rows_in_last)
            self._add_to(-1, some_rows(labels, slice(start, stop)))
            self._rows_in_last += stop - start
            start = stop

    def _first_part_rows(self, rows: int) -> int:
        """How many rows a part has at first, from those of the first block."""
        return -(-rows // PARTS)

    def _merge_neighbours(self, most: int) -> None:
        """Merge full parts in pairs where there are `most`."""
        if len(self._parts) == most:
            self._parts = [added(*self._parts[i : i + 2]) for i in range(0, most, 2)]
            self._part_rows *= 2

    def result(self, label_names: tuple[str, ...] | None = None) -> TableCounts:
        """The counts of all rows so far; more can be added afterwards."""
        if self._result is not None and self._result.label_names == label_names:
            return self._result
        parts = [part for part in self._parts if part is not None]
        counts = total_of([self._total] if self._total is not None else parts, self.num_labels)
        if not self.grouped and len(parts) > PARTS:
            pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
            parts = [pair[0] if len(pair) == 1 else added(*pair) for pair in pairs]
        groups = len(self._part_of) if self.grouped and self._with_parts else None
        self._result = TableCounts(counts, self.rows, stacked_parts(parts), self.grouped, label_names, groups)
        return self._result


def part_of_group(name: Any) -> int:
    """The part that the rows of a group fall into, in [0, 32)."""
    return zlib.crc32(str(name).encode()) % PARTS


def rows_of_parts(rows: int, first_block_rows: int) -> int:
    """How many rows each part of consecutive rows has in the end, which `TableCounter` comes to by merging.

    Args:
        rows: of the whole table.
        first_block_rows: of the first block that is added.

    Example:
        >>> rows_of_parts(20_000_000, 65_536)
        1048576
    """
    part_rows = -(-first_block_rows // PARTS)
    while -(-rows // part_rows) > PARTS:
        part_rows *= 2
    return part_rows


def narrowed(counts: PairCounts) -> PairCounts:
    """The counts of a part in int32, half the memory of the table's, as long as its rows allow that."""
    narrow = int(counts.n.max()) <= np.iinfo(np.int32).max // 2  # a merge doubles it
    return PairCounts(*(field.astype(np.int32 if narrow else np.int64) for field in counts))


def total_of(parts: Sequence[PairCounts], num_labels: int) -> PairCounts:
    """The sum of the counts of parts, int64, each field (num_labels, num_labels); zeros where there is no part."""
    total = PairCounts(*(np.zeros((1, 1), np.int64) for _ in PairCounts._fields))
    for part in parts:
        total = added(total, part)
    size = (num_labels, num_labels)
    return PairCounts(*(np.array(np.broadcast_to(field, size)) for field in total))


def added(a: PairCounts | None, b: PairCounts | None) -> PairCounts:
    """The sum of two counts, either of which may be None."""
    if a is None or b is None:
        counts = a or b
        if counts is None:
            raise ValueError("one of the two counts must be there, got None twice")
        return counts
    return PairCounts(*(x + y for x, y in zip(a, b, strict=True)))


def without(whole: PairCounts, part: PairCounts) -> PairCounts:
    """The counts of all rows but those of a part."""
    return PairCounts(*(x - y for x, y in zip(whole, part, strict=True)))


def stacked_parts(parts: Sequence[PairCounts]) -> PairCounts | None:
    """The counts of several parts, with the part as first axis; None where there are fewer than two."""
    if len(parts) < 2:
        return None
    fields = zip(*parts, strict=True)
    return PairCounts(*(np.stack(np.broadcast_arrays(*field)) for field in fields))
