"""Rows cut into batches of a fixed size, for a relation that depends on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from obrl.mining.blocks import DenseLabels, SparseLabels
from obrl.mining.counting import as_dense, some_rows
from obrl.relation import OnlineBatchRelation
from obrl.settings import Settings

ROWS_AT_ONCE = 8_192
"""Sparse rows are made dense so many at a time, since many rows of many labels take much memory."""


class Batches:
    """Cuts rows into batches, whatever the blocks they come in, and feeds them to a relation.

    Args:
        num_labels: M.
        settings: decay, measure and estimator count.
        batch_size: rows a batch.
    """

    def __init__(self, num_labels: int, settings: Settings, batch_size: int) -> None:
        self._batch_size = batch_size
        self._learnt = OnlineBatchRelation(
            num_labels, decay=settings.decay, measure=settings.measure, estimator=settings.estimator
        )
        self._rest = np.zeros((num_labels, 0), np.int8)

    def add(self, labels: DenseLabels | SparseLabels) -> None:
        """Add rows; what fills no batch waits for the rows to come."""
        for start in range(0, labels.rows, ROWS_AT_ONCE):
            part = as_dense(some_rows(labels, slice(start, min(labels.rows, start + ROWS_AT_ONCE)))).codes
            codes = np.concatenate([self._rest, part], axis=1)
            whole = codes.shape[1] // self._batch_size * self._batch_size
            for first in range(0, whole, self._batch_size):
                _feed(self._learnt, codes[:, first : first + self._batch_size])
            self._rest = codes[:, whole:]

    def relation(self, names: tuple[str, ...] | None) -> OnlineBatchRelation:
        """The relation after all rows so far, of which the last may be a shorter batch."""
        relation = OnlineBatchRelation.from_state(self._learnt.state, self._learnt.settings, names)
        if self._rest.shape[1]:
            _feed(relation, self._rest)
        return relation


def _feed(relation: OnlineBatchRelation, codes: npt.NDArray[np.int8]) -> None:
    known = codes.T >= 0
    relation.update(codes.T == 1, observed=None if known.all() else known)
