"""Degenerate cases written out, so that every run has each of them, however few examples hypothesis draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.cases import Batch, Case

_MISSING = np.nan
_OFF_THE_RELATIONS = {"positive_threshold": 0.83, "negative_threshold": 0.17}
"""No relation of the cases below is near these."""


def _logits(size: int, num_labels: int) -> NDArray[np.float64]:
    """Ordinary ones, and one in seven that saturates the sigmoid."""
    count = np.arange(size * num_labels)
    values = np.where(count % 7 == 3, np.where(count % 2, 100.0, -100.0), (count * 5 % 13 - 6) / 4)
    return values.reshape(size, num_labels)


def _batch(targets: Any, **rest: Any) -> Batch:
    """A batch of these targets."""
    array = np.asarray(targets)
    return Batch(_logits(*array.shape), array, **rest)


def _every_other(size: int, num_labels: int) -> NDArray[np.bool_]:
    return np.arange(size * num_labels).reshape(size, num_labels) % 2 == 0


# Columns: any, the same, its opposite, constant.
_RELATED = np.array([[1, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)
# The second label follows from the first, not the other way round.
_ONE_WAY = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]], np.float32)

# Of few shapes, since JAX compiles for each.
CASES = {
    "few rows": Case(
        4,
        (
            _batch(_RELATED[:0].astype(np.float32)),
            _batch(_RELATED[:1].astype(np.float32), layout="strided"),
            _batch(_RELATED.astype(bool), update=False),
        ),
        **_OFF_THE_RELATIONS,
    ),
    "one label": Case(
        1, (_batch(_RELATED[:, :1].astype(np.float64), update=True), _batch(np.zeros((1, 1), np.int64))), alpha=40.0
    ),
    "related labels": Case(
        4,
        (
            _batch(_RELATED, layout="columns", sample_weight=np.array([1, 0, 0.5, 2, 1, 1])),
            _batch(_RELATED.astype(np.float16), layout="strided"),
            _batch(np.ones((6, 4), np.int64), sample_weight=np.zeros(6)),
        ),
        **_OFF_THE_RELATIONS,
        normalization="active_pairs",
        reduction="sum",
        pos_weight=np.array([1, 2, 0.5, 3]),
    ),
    "missing targets": Case(
        4,
        (
            _batch(_RELATED.astype(np.float32) * 0.75, observed=_every_other(6, 4)),
            _batch(_RELATED, observed=np.zeros((6, 4), bool)),
            _batch(np.where(_RELATED[:, ::-1] == _RELATED, _RELATED.astype(np.float64), _MISSING), layout="columns"),
        ),
        **_OFF_THE_RELATIONS,
        estimator="counts",
        decay=0.9,
    ),
    "related one way": Case(4, (_batch(_ONE_WAY),), **_OFF_THE_RELATIONS, measure="conditional", decay=1.0),
}
"""Under names for people. Where a loss is one number, its reduction is as drawn cases have it: never "none"."""
