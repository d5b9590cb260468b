"""How far a relation is from that of a whole table, and the batches it is measured over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl import OnlineBatchRelation

Matrix = npt.NDArray[np.float64]


class Deviation(NamedTuple):
    """How far a relation is from that of a whole table, over the pairs of different labels that both define.

    Attributes:
        mean: Mean absolute difference; NaN where no pair is defined in both.
        maximum: Largest absolute difference.
        wrong_side: For each pair of thresholds, the number of pairs that it takes for active and the table does not,
            the other way round, or with the other sign. A pair without evidence is not active.
        undefined: Number of pairs that the table defines and it does not.
    """

    mean: float
    maximum: float
    wrong_side: tuple[int, ...]
    undefined: int


def whole_relation(labels: npt.NDArray[Any], measure: str) -> Matrix:
    """Return the relation of a table of labels, (M, M), measured at once; NaN where a pair is undefined.

    Args:
        labels: (N, M), bool, or floating point with NaN where missing.
        measure: obrl's measure.
    """
    return OnlineBatchRelation(labels.shape[1], decay=1.0, measure=measure).update(labels).relation


def deviation(
    relation: Matrix, table: Matrix, thresholds: Sequence[tuple[float, float]], *, symmetric: bool = True
) -> Deviation:
    """Return how far a relation is from that of a whole table.

    Args:
        relation: (M, M), NaN where undefined.
        table: (M, M), the same.
        thresholds: Pairs of r_p and r_n.
        symmetric: Whether (i, j) and (j, i) are one pair.
    """
    size = len(table)
    places = np.triu_indices(size, 1) if symmetric else np.nonzero(~np.eye(size, dtype=bool))
    ours, theirs = relation[places], table[places]
    known, expected = ~np.isnan(ours), ~np.isnan(theirs)
    apart = np.abs(ours - theirs)[known & expected]
    wrong = tuple(int((_sides(ours, *pair) != _sides(theirs, *pair)).sum()) for pair in thresholds)
    mean, maximum = (float(apart.mean()), float(apart.max())) if len(apart) else (math.nan, math.nan)
    return Deviation(mean, maximum, wrong, int((expected & ~known).sum()))


def _sides(relation: Matrix, positive: float, negative: float) -> npt.NDArray[np.int8]:
    """Return 1 for pairs that are pulled together, -1 for those that are pushed apart, 0 for the others (Eq. 3)."""
    return (relation >= positive).astype(np.int8) - (relation <= negative).astype(np.int8)


def shuffled_batches(rows: int, batch_size: int, *, seed: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of one batch after another without end: epochs in new orders, whole batches only."""
    generator = np.random.Generator(np.random.PCG64(seed))
    while True:
        order = generator.permutation(rows)
        for start in range(0, rows - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def measured_batches(batches: int) -> list[int]:
    """Return after which batches of a phase the relation is measured: every one at first, then every twentieth part.

    Example:
        >>> measured_batches(25)[-4:]
        [22, 23, 24, 25]
    """
    numbers, number = [], 1
    while number < batches:
        numbers.append(number)
        number += max(1, number // 20)
    return [*numbers, batches]


def as_bool(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels without a missing one as bool, which is faster; others as they are."""
    if labels.dtype.kind != "f":
        return labels
    return labels if np.isnan(labels).any() else labels >= 0.5
