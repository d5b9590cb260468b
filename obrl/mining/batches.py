"""Rows cut into batches of a fixed size, for a relation that depends on them.

Batches are counted from the first row of the table. A stretch of rows that begins or ends inside a batch leaves the
counts of what it has of that batch, so that stretches can be mined apart and joined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts, exact_counts
from obrl.labels import Labels
from obrl.mining.accumulate import TableCounts, added
from obrl.mining.blocks import DenseLabels, SparseLabels
from obrl.mining.counting import as_dense, some_rows
from obrl.namespace import NUMPY
from obrl.online import RelationState, add_evidence, batch_evidence
from obrl.relation import OnlineBatchRelation, empty_state
from obrl.settings import Settings

ROWS_AT_ONCE = 8_192
"""Sparse rows are made dense so many at a time, since many rows of many labels take much memory."""


@dataclass(frozen=True, slots=True)
class WholeBatches:
    """What consecutive whole batches leave.

    Attributes:
        state: the accumulators of Eq. 1, which started empty; float64.
        number: in how many of the batches each pair is defined, (num_labels, num_labels), int64.
    """

    state: RelationState
    number: npt.NDArray[np.int64]


def no_batches(num_labels: int, settings: Settings) -> WholeBatches:
    """What no batch leaves."""
    return WholeBatches(empty_state(num_labels, settings), np.zeros((num_labels, num_labels), np.int64))


def with_batch(whole: WholeBatches, counts: PairCounts, settings: Settings) -> WholeBatches:
    """One more batch, of which the counts are given."""
    floats = PairCounts(*(np.broadcast_to(field, whole.number.shape).astype(np.float64) for field in counts))
    evidence = batch_evidence(NUMPY, floats, settings, like=whole.state.relation_weight)
    state = add_evidence(NUMPY, whole.state, evidence, settings)
    return WholeBatches(state, whole.number + (evidence.relation_weight > 0))


def join_batches(earlier: WholeBatches, later: WholeBatches, decay: float) -> WholeBatches:
    """The batches of two stretches, of which the second follows the first.

    `obrl.online.merge_states` reads the share that remains of the earlier evidence, lambda^n, from the weight, where
    small shares cancel to nothing; with the number n it is exact to a rounding, also of pairs that were last present
    long ago.
    """
    remaining = ((decay - 1.0) + 1.0) ** later.number  # the factor of every single batch, with its rounding
    total = remaining * earlier.state.relation_sum + later.state.relation_sum
    weight = remaining * earlier.state.relation_weight + later.state.relation_weight
    return WholeBatches(RelationState(total, weight), earlier.number + later.number)


class Batches:
    """Cuts a stretch of rows into batches, whatever the blocks they come in.

    Args:
        num_labels: M.
        settings: decay, measure and estimator count.
        batch_size: rows a batch.
        first_row: how many rows of the table come before the stretch.

    Attributes:
        head: int64 counts of the batch that began before the stretch, as far as the stretch goes; None without one.
        whole: of the batches that lie in the stretch.
        tail: int64 counts of the batch that began in the stretch and is not full; None without one.
    """

    def __init__(self, num_labels: int, settings: Settings, batch_size: int, first_row: int = 0) -> None:
        self._settings, self._batch_size = settings, batch_size
        self._filled = first_row % batch_size
        self._in_head = self._filled > 0
        self.head: PairCounts | None = None
        self.tail: PairCounts | None = None
        self.whole = no_batches(num_labels, settings)

    def add(self, labels: DenseLabels | SparseLabels) -> None:
        """Add rows."""
        for start in range(0, labels.rows, ROWS_AT_ONCE):
            codes = as_dense(some_rows(labels, slice(start, min(labels.rows, start + ROWS_AT_ONCE)))).codes.T
            first = 0
            while first < len(codes):
                stop = min(len(codes), first + self._batch_size - self._filled)
                self._add_to_batch(codes[first:stop])
                first = stop

    def _add_to_batch(self, codes: npt.NDArray[np.int8]) -> None:
        """Add rows of one batch, which may fill it."""
        known = codes >= 0
        counts = exact_counts(Labels(codes, codes == 1, None if known.all() else known))
        self._filled += len(codes)
        if self._in_head:
            self.head = added(self.head, counts)
        else:
            self.tail = added(self.tail, counts)
        if self._filled == self._batch_size:
            if self.tail is not None:
                self.whole = with_batch(self.whole, self.tail, self._settings)
            self._filled, self._in_head, self.tail = 0, False, None

    def relation(self, names: tuple[str, ...] | None) -> OnlineBatchRelation:
        """The relation after all rows so far, of which the last may be a shorter batch."""
        return relation_of_batches(self.whole, self.tail, self._settings, names)


def relation_of_batches(
    whole: WholeBatches, tail: PairCounts | None, settings: Settings, names: tuple[str, ...] | None
) -> OnlineBatchRelation:
    """The relation that whole batches and a last one, of fewer rows, leave."""
    last = whole if tail is None else with_batch(whole, tail, settings)
    return OnlineBatchRelation.from_state(last.state, settings, names)


def relation_of_counts(table: TableCounts, settings: Settings, batch_size: int) -> OnlineBatchRelation:
    """The relation that follows from the counts of all rows: with decay 1 the estimator `"counts"` adds them up."""
    n, s, r = (field.astype(np.float64) for field in table.counts[:3])
    batches = float(-(-table.rows // batch_size))
    state = RelationState(np.stack([n, s, r]), np.where(n > 0, batches, 0.0))
    return OnlineBatchRelation.from_state(state, settings, table.label_names)
