"""The counts of consecutive parts of a table, from which drift within the table can be tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.history import History
from obrl.mining.accumulate import MOST_LABELS_WITH_PARTS, TableCounter, TableCounts, added
from obrl.mining.changes.differences import rate_variance
from obrl.mining.errors import MiningError
from obrl.mining.jackknife import jackknife

FEWEST_PARTS = 2


def check_history(parts: int | None, num_labels: int) -> None:
    """Raise unless so many parts of a table with so many labels can be stored."""
    if parts is None:
        return
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < FEWEST_PARTS:
        raise ValueError(f"history must be a whole number of at least {FEWEST_PARTS}, or None, got {parts!r}")
    if num_labels > MOST_LABELS_WITH_PARTS:
        raise MiningError(
            f"history: expected at most {MOST_LABELS_WITH_PARTS:,} labels, as every part takes a matrix of counts, "
            f"got {num_labels:,}; name fewer with --labels, or leave the history out"
        )


class HistoryCounter(TableCounter):
    """Adds up blocks of rows in consecutive parts, whose number stays between `parts` and twice that.

    A table with fewer rows than parts has a part for each row.

    Args:
        num_labels: M.
        parts: at least 2.
    """

    def __init__(self, num_labels: int, parts: int) -> None:
        super().__init__(num_labels)
        self._fewest = parts
        self._most_parts = 2 * parts

    def _first_part_rows(self, rows: int) -> int:
        return -(-rows // self._most_parts)

    def history(
        self, label_names: tuple[str, ...] | None, measure: str, error_ratio: npt.NDArray[np.float32] | None
    ) -> History:
        """The history of the rows so far; more can be added afterwards. See `History.from_counts`."""
        parts = [part for part in self._parts if part is not None]
        rows = self._part_rows * np.arange(1, len(parts) + 1)
        rows[-1] = self.rows
        if len(parts) > self._fewest and 2 * self._rows_in_last < self._part_rows:
            parts[-2:] = [added(*parts[-2:])]  # few rows make a noisy end
            rows = np.delete(rows, -2)
        same = all(len({field.shape for field in fields}) == 1 for fields in zip(*parts, strict=True))
        stacked = [np.stack(fields if same else np.broadcast_arrays(*fields)) for fields in zip(*parts, strict=True)]
        counts = PairCounts(*stacked)
        return History.from_counts(rows, counts, label_names=label_names, measure=measure, error_ratio=error_ratio)


def error_ratio(table: TableCounts) -> npt.NDArray[np.float32] | None:
    """How much surer pairs look than they are, (num_labels, num_labels), from the groups of a table; None without.

    On the diagonal stands how much surer the labels' rates look.
    """
    i, j = np.triu_indices(table.num_labels, 1)
    sure = jackknife(table, i, j) if table.grouped else None
    if sure is None:
        return None
    ratio = np.ones((table.num_labels, table.num_labels), np.float32)
    ratio[i, j] = ratio[j, i] = np.maximum(sure.ratio, 1)
    alike, independent = (rate_variance(each)[0] for each in (table, replace(table, groups=None)))
    np.fill_diagonal(ratio, np.sqrt(alike / independent))
    return ratio


class HasHistory(Protocol):
    """What the property needs.

    Attributes:
        measure: of the relation.
        label_names_in_: the names, or None.
    """

    measure: str
    label_names_in_: tuple[str, ...] | None
    _history: HistoryCounter | None

    @property
    def table_counts_(self) -> TableCounts:
        """The counts of the whole table."""


class HistoryMethods:
    """What `RelationMiner(history=N)` says of the relation over the rows."""

    @property
    def history_(self: HasHistory) -> History:
        """The counts of consecutive parts of the rows, between `history` and twice as many, as an `obrl` history.

        Raises:
            MiningError: nothing was mined, no history was asked for, or the relation was read from a file.

        Example:
            >>> from obrl.mining import RelationMiner
            >>> miner = RelationMiner(history=2).fit([[1, 1], [0, 0], [1, 1], [0, 0], [1, 0], [0, 1], [1, 0], [0, 1]])
            >>> miner.history_.steps, miner.history_.relation[:, 0, 1]
            (array([2, 4, 6, 8]), array([1., 1., 0., 0.], dtype=float32))
        """
        counts = self.table_counts_
        if self._history is None:
            raise MiningError("no history was mined: fit a RelationMiner(history=N), or read one with History.load")
        return self._history.history(self.label_names_in_, self.measure, error_ratio(counts))
