"""A row of the results: one implementation at one size on one kind of labels."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.gpu.clocks import Timing

JAX_TITLES = {"jax_bce": "BCE alone in jax.numpy, jit", "jax_obrl": "obrl.jax, jit"}
"""The implementations in JAX, defined here so that their names do not need an import of JAX."""


@dataclass(frozen=True)
class Row:
    """A measurement, or why there is none.

    Attributes:
        implementation: its name.
        title: the name in tables.
        batch: K.
        num_labels: M.
        labels: a key of `benchmarks.labels.LABEL_KINDS`.
        timed_by: see `benchmarks.gpu.clocks.HOW`; None where there is no time.
        steps: number of steps that were timed.
        median_us: of the rounds, microseconds a step.
        min_us: the smallest of the rounds.
        max_us: the largest of the rounds.
        peak_memory_bytes: memory that a step needs beside its arguments, or None.
        block_rows: samples that the plain formula takes at once, K where it takes all; None for the others.
        capture_error: why no CUDA graph could be captured, or None.
        error: why there is no time, or None.
    """

    implementation: str
    title: str
    batch: int
    num_labels: int
    labels: str
    timed_by: str | None = None
    steps: int = 0
    median_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    peak_memory_bytes: int | None = None
    block_rows: int | None = None
    capture_error: str | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain types."""
        return asdict(self)


def times(timing: Timing) -> dict[str, Any]:
    """The fields of a row that hold times."""
    microseconds = [1e6 * seconds for seconds in timing.seconds]
    return {
        "timed_by": timing.timed_by,
        "steps": timing.steps,
        "median_us": statistics.median(microseconds),
        "min_us": min(microseconds),
        "max_us": max(microseconds),
        "capture_error": timing.capture_error,
    }
