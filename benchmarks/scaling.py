"""How time and memory grow with the batch and with the number of labels: exponents fitted to measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Row

ALONG = {
    "batch": tuple((batch, 312) for batch in (512, 1024, 2048, 4096)),
    "num_labels": tuple((64, labels) for labels in (1000, 1600, 2500, 4000)),
}
"""The sizes (K, M) along which each variable is varied; so large that calling functions is a small part of a step."""


@dataclass(frozen=True)
class Exponent:
    """How a measured quantity of an implementation grows: as the variable to this power.

    Attributes:
        implementation: an entry of `benchmarks.registry.IMPLEMENTATIONS`.
        title: its name in tables.
        quantity: `"time"` or `"memory"`.
        variable: `"batch"` or `"num_labels"`.
        sizes: where it was measured, (K, M).
        values: the measured values at these sizes, in ms or MB.
        exponent: the slope of the least-squares line through their logarithms.
    """

    implementation: str
    title: str
    quantity: str
    variable: str
    sizes: tuple[tuple[int, int], ...]
    values: tuple[float, ...]
    exponent: float

    def as_dict(self) -> dict[str, Any]:
        """The exponent as plain types."""
        return asdict(self)


def fit(variable: Sequence[float], values: Sequence[float]) -> float:
    """The exponent b of values = a variable^b, by least squares on logarithms.

    Raises:
        ValueError: fewer than two points, or a number that is not positive.

    Example:
        >>> fit([1, 2, 4], [3, 12, 48])
        2.0
    """
    x, y = np.asarray(variable, np.float64), np.asarray(values, np.float64)
    if x.shape != y.shape or x.size < 2:
        raise ValueError(f"an exponent needs at least two points, got {x.size} and {y.size}")
    if not ((x > 0).all() and (y > 0).all()):
        raise ValueError(f"an exponent needs positive numbers, got {list(variable)} and {list(values)}")
    return round(float(np.polyfit(np.log(x), np.log(y), 1)[0]), 4)


def exponents(rows: Sequence[Row], variable: str) -> list[Exponent]:
    """The exponents of time (the fastest steps) and of peak memory in rows that differ in one variable only."""
    result = []
    for name in dict.fromkeys(row.implementation for row in rows):
        points = [row for row in rows if row.implementation == name]
        sizes = tuple((row.batch, row.num_labels) for row in points)
        along = [getattr(row, variable) for row in points]
        for quantity, values in (
            ("time", tuple(row.min_ms for row in points)),
            ("memory", tuple(row.peak_memory_bytes / 1e6 for row in points)),
        ):
            if len(points) > 1 and min(values) > 0:
                slope = fit(along, values)
                result.append(Exponent(name, points[0].title, quantity, variable, sizes, values, slope))
    return result
