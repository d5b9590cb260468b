"""Consecutive rows of a table, mined apart and merged in order: the same counts wherever the table is cut.

Parts for the jackknife and batches are cut by the number of a row in the whole table, so a segment may begin and end
inside of one. Merging is associative, so that segments can be merged in any tree that respects their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.accumulate import (
    MOST_LABELS_WITH_PARTS,
    TableCounts,
    added,
    narrowed,
    part_of_group,
    rows_of_parts,
    stacked_parts,
    total_of,
)
from obrl.mining.batches import Batches, WholeBatches, join_batches, relation_of_batches, with_batch
from obrl.mining.blocks import DenseLabels, SparseLabels
from obrl.mining.counting import count_labels, some_rows
from obrl.relation import OnlineBatchRelation
from obrl.settings import Settings


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where a table is cut, whatever its segments.

    Attributes:
        num_labels: M.
        part_rows: rows of a part for the jackknife; None where a part holds whole groups.
        settings: decay, measure and estimator of a relation that depends on batches; None where it follows from the
            counts of all rows.
        batch_size: rows a batch.
    """

    num_labels: int
    part_rows: int | None
    settings: Settings | None
    batch_size: int


@dataclass(frozen=True, slots=True)
class Segment:
    """What consecutive rows leave.

    Attributes:
        first_row: how many rows of the table come before.
        rows: how many it has.
        parts: the counts of each part of the table that has rows here, by its number.
        head: counts of the batch that began before the segment, as far as the segment goes; None without one.
        whole: of the batches that lie in the segment; None where the relation does not depend on batches.
        tail: counts of the batch that began in the segment and ends after it; None without one.
        groups: (groups,), uint64, ascending, a hash of each group's name, from which groups of several segments are
            counted; None where parts do not hold whole groups.
    """

    first_row: int
    rows: int
    parts: Mapping[int, PairCounts]
    head: PairCounts | None
    whole: WholeBatches | None
    tail: PairCounts | None
    groups: npt.NDArray[np.uint64] | None


def cuts_of_table(
    *, num_labels: int, rows: int, first_block_rows: int, grouped: bool, settings: Settings, batch_size: int
) -> Cuts:
    """Where a table is cut so that its parts and batches are those of `RelationMiner.fit_table`.

    Args:
        num_labels: M.
        rows: of the whole table.
        first_block_rows: of the first block that a reader of the whole table yields.
        grouped: whether rows have groups.
        settings: decay, measure and estimator count.
        batch_size: rows a batch.
    """
    plain = settings.decay == 1 and settings.estimator == "counts"
    part_rows: int | None = rows_of_parts(rows, first_block_rows)
    if num_labels > MOST_LABELS_WITH_PARTS:
        part_rows = rows
    elif grouped:
        part_rows = None
    return Cuts(num_labels, part_rows, None if plain else settings, batch_size)


class SegmentCounter:
    """Counts the rows of one segment.

    Args:
        cuts: of the table.
        first_row: how many rows of the table come before.
    """

    def __init__(self, cuts: Cuts, first_row: int) -> None:
        self._cuts, self._first_row, self._rows = cuts, first_row, 0
        self._parts: dict[int, PairCounts] = {}
        self._part_of: dict[Any, int] = {}
        self._batches: Batches | None = None
        if cuts.settings is not None:
            self._batches = Batches(cuts.num_labels, cuts.settings, cuts.batch_size, first_row)

    def add(self, labels: DenseLabels | SparseLabels, groups: npt.NDArray[Any] | None = None) -> None:
        """Add the next rows.

        Args:
            labels: of the rows.
            groups: (rows,), the name of each row's group; needed where parts hold whole groups.
        """
        if labels.rows == 0:
            return
        if self._cuts.part_rows is None:
            self._add_grouped(labels, groups)
        else:
            self._add_consecutive(labels, self._cuts.part_rows)
        if self._batches is not None:
            self._batches.add(labels)
        self._rows += labels.rows

    def _add_grouped(self, labels: DenseLabels | SparseLabels, groups: npt.NDArray[Any] | None) -> None:
        if groups is None:
            raise ValueError("groups must name the group of every row, got None")
        names = groups.tolist()
        self._part_of |= {name: part_of_group(name) for name in set(names) - self._part_of.keys()}
        parts = np.array([self._part_of[name] for name in names], np.intp)
        for part in np.unique(parts).tolist():
            self._add_to(part, some_rows(labels, np.flatnonzero(parts == part)))

    def _add_consecutive(self, labels: DenseLabels | SparseLabels, part_rows: int) -> None:
        start = 0
        while start < labels.rows:
            part, before = divmod(self._first_row + self._rows + start, part_rows)
            stop = min(labels.rows, start + part_rows - before)
            self._add_to(part, some_rows(labels, slice(start, stop)))
            start = stop

    def _add_to(self, part: int, labels: DenseLabels | SparseLabels) -> None:
        self._parts[part] = narrowed(added(self._parts.get(part), count_labels(labels)))

    def result(self) -> Segment:
        """The segment of all rows so far."""
        batches = self._batches
        head, whole, tail = (None, None, None) if batches is None else (batches.head, batches.whole, batches.tail)
        groups = None
        if self._cuts.part_rows is None:
            groups = np.unique(np.array([_hash_of_name(name) for name in self._part_of], np.uint64))
        return Segment(self._first_row, self._rows, dict(self._parts), head, whole, tail, groups)


def merge(earlier: Segment, later: Segment, cuts: Cuts) -> Segment:
    """Two segments as one, of which the second follows the first.

    Args:
        earlier: the first.
        later: begins where the first ends.
        cuts: of the table.

    Raises:
        ValueError: there are rows between the two, or some are in both.
    """
    end = earlier.first_row + earlier.rows
    if later.first_row != end:
        raise ValueError(
            f"the later segment must begin after {end} rows, where the earlier one ends, got one after "
            f"{later.first_row}"
        )
    parts = dict(earlier.parts)
    for number, counts in later.parts.items():
        parts[number] = narrowed(added(parts.get(number), counts))
    rows = earlier.rows + later.rows
    groups = None
    if earlier.groups is not None and later.groups is not None:
        groups = np.union1d(earlier.groups, later.groups)
    if cuts.settings is None or earlier.whole is None or later.whole is None:
        return Segment(earlier.first_row, rows, parts, None, None, None, groups)
    whole, head, tail = earlier.whole, earlier.head, later.tail
    if not _has_boundary(earlier, cuts.batch_size):
        head = _sum(earlier.head, later.head)
    elif not _has_boundary(later, cuts.batch_size):
        tail = _sum(earlier.tail, later.head)
    elif (batch := _sum(earlier.tail, later.head)) is not None:
        whole = with_batch(whole, batch, cuts.settings)
    whole = join_batches(whole, later.whole, cuts.settings.decay)
    return Segment(earlier.first_row, rows, parts, head, whole, tail, groups)


def merge_all(count: int, segment: Callable[[int], Segment], cuts: Cuts) -> Segment:
    """Merge all segments of a table, two neighbours at a time, in a tree of a fixed shape.

    At most about log2(count) segments are in memory at a time.

    Args:
        count: how many segments there are.
        segment: gives each by its number.
        cuts: of the table.
    """

    def merged(start: int, stop: int) -> Segment:
        if stop - start == 1:
            return segment(start)
        middle = (start + stop) // 2
        return merge(merged(start, middle), merged(middle, stop), cuts)

    return merged(0, count)


def table_counts_of(segment: Segment, cuts: Cuts, *, grouped: bool, label_names: Sequence[str] | None) -> TableCounts:
    """The counts of a table, from the segment of all its rows."""
    parts = [segment.parts[number] for number in sorted(segment.parts)]
    names = None if label_names is None else tuple(label_names)
    num_groups = None if segment.groups is None else len(segment.groups)
    counts = total_of(parts, cuts.num_labels)
    return TableCounts(counts, segment.rows, stacked_parts(parts), grouped, names, num_groups)


def relation_of_segment(segment: Segment, cuts: Cuts, label_names: Sequence[str] | None) -> OnlineBatchRelation | None:
    """The relation of a table, from the segment of all its rows; None where it follows from the counts."""
    if cuts.settings is None or segment.whole is None:
        return None
    names = None if label_names is None else tuple(label_names)
    return relation_of_batches(segment.whole, segment.tail, cuts.settings, names)


def _hash_of_name(group: Any) -> int:
    """64 bits: among a million groups, two share them with a chance of 1 in 30 million."""
    return int.from_bytes(hashlib.blake2b(str(group).encode(), digest_size=8).digest(), "little")


def _has_boundary(segment: Segment, batch_size: int) -> bool:
    """Whether a batch begins or ends in the segment, at its first row or after its last one too."""
    first = -(-segment.first_row // batch_size) * batch_size
    return first <= segment.first_row + segment.rows


def _sum(a: PairCounts | None, b: PairCounts | None) -> PairCounts | None:
    return None if a is None and b is None else added(a, b)
