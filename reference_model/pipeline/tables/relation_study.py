"""The relation over the batches: how far the moving average is from the whole table's, how fast it follows a change.

Nothing here needs torch or a picture: labels go in, figures come out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

import numpy.typing as npt

from obrl import MEASURES, OnlineBatchRelation
from reference_model.data.errors import DataError
from reference_model.pipeline.tables.relation_measures import (
    Deviation,
    Matrix,
    as_bool,
    deviation,
    measured_batches,
    shuffled_batches,
    whole_relation,
)

SETTLED_SHARE = 0.25
"""The last share of a phase, over which a moving average is measured once it has settled."""
NEAR_FLOOR = 1.25
"""A moving average has recovered when it is at most this many times as far off as where it settles."""


@dataclass(frozen=True)
class StudyOptions:
    """What is compared.

    Args:
        batch_sizes: Rows a batch, the paper's K.
        decays: The paper's lambda.
        estimators: obrl's estimators.
        measure: obrl's measure of a relation.
        thresholds: Pairs of r_p and r_n.
        batches: Batches a phase: before the data changes, and after.
        seeds: Of the shuffles.
        tolerance: A mean absolute difference that counts as near.
    """

    batch_sizes: tuple[int, ...] = (32, 64, 128, 256)
    decays: tuple[float, ...] = (0.9, 0.99, 0.999)
    estimators: tuple[str, ...] = ("batch", "counts")
    measure: str = "unit_pearson"
    thresholds: tuple[tuple[float, float], ...] = ((0.8, 0.2), (0.7, 0.3))
    batches: int = 4000
    seeds: tuple[int, ...] = (0, 1, 2)
    tolerance: float = 0.02


class Way(NamedTuple):
    """One way to follow the relation."""

    batch_size: int
    decay: float
    estimator: str


class Point(NamedTuple):
    """A measurement: the number of batches of the phase so far, and the deviation from the phase's table."""

    batch: int
    deviation: Deviation


class Settled(NamedTuple):
    """What one moving average did in one phase.

    Attributes:
        mean: Mean absolute difference once settled, the mean over the last quarter of the phase.
        maximum: Largest absolute difference, its mean over the last quarter.
        wrong_side: Pairs on the wrong side of each pair of thresholds, means over the last quarter.
        to_floor: Batches until at most `NEAR_FLOOR` times ``mean``.
        to_tolerance: Batches until within `StudyOptions.tolerance`; NaN if never.
        to_frozen: Batches until nearer than the frozen matrix; NaN if never.
    """

    mean: float
    maximum: float
    wrong_side: tuple[float, ...]
    to_floor: float
    to_tolerance: float
    to_frozen: float


@dataclass(frozen=True)
class Study:
    """The results.

    Args:
        options: What was compared.
        tables: Relation of the whole table of each phase.
        rows: Rows of each table.
        mining_seconds: What measuring each whole table at once took.
        update_seconds: Mean time of one update, by batch size and estimator.
        frozen: By phase, the deviation of the first table's relation from the phase's.
        courses: The measurements, by way, seed and phase.
    """

    options: StudyOptions
    tables: tuple[Matrix, ...]
    rows: tuple[int, ...]
    mining_seconds: tuple[float, ...]
    update_seconds: Mapping[tuple[int, str], float]
    frozen: tuple[Deviation, ...]
    courses: Mapping[tuple[Way, int, int], Sequence[Point]] = field(default_factory=dict)

    def ways(self) -> list[Way]:
        """Return what was compared, in the order of the options."""
        options = self.options
        return [
            Way(size, decay, estimator)
            for estimator in options.estimators
            for size in options.batch_sizes
            for decay in options.decays
        ]

    def settled(self, way: Way, phase: int) -> list[Settled]:
        """Return what one way did in one phase, for each seed."""
        frozen = self.frozen[phase].mean
        return [settle(self.courses[way, seed, phase], self.options, frozen) for seed in self.options.seeds]

    def course(self, way: Way, phase: int) -> list[tuple[int, float, float]]:
        """Return batch, mean and largest absolute difference of each measurement, means over the seeds."""
        courses = [self.courses[way, seed, phase] for seed in self.options.seeds]
        return [
            (
                points[0].batch,
                fmean(point.deviation.mean for point in points),
                fmean(point.deviation.maximum for point in points),
            )
            for points in zip(*courses, strict=True)
        ]


def follow(
    phases: Sequence[npt.NDArray[Any]],
    tables: Sequence[Matrix],
    options: StudyOptions,
    *,
    batch_size: int,
    seed: int,
) -> tuple[dict[tuple[Way, int], list[Point]], dict[str, float]]:
    """Follow every decay and estimator over the same batches.

    Args:
        phases: The labels of each phase, (N, M).
        tables: The relation of each.
        options: What is compared.
        batch_size: Rows a batch.
        seed: Of the shuffles.

    Returns:
        The measurements by way and phase, and the mean seconds of an update by estimator.
    """
    relations = {
        Way(batch_size, decay, estimator): OnlineBatchRelation(
            phases[0].shape[1], decay=decay, measure=options.measure, estimator=estimator
        )
        for decay in options.decays
        for estimator in options.estimators
    }
    symmetric = MEASURES[options.measure].symmetric
    measured = frozenset(measured_batches(options.batches))
    points: dict[tuple[Way, int], list[Point]] = {(way, phase): [] for phase in range(len(phases)) for way in relations}
    seconds = dict.fromkeys(options.estimators, 0.0)
    for phase, (labels, table) in enumerate(zip(phases, tables, strict=True)):
        stream = shuffled_batches(len(labels), batch_size, seed=(seed, phase))
        for number in range(1, options.batches + 1):
            batch = labels[next(stream)]
            for way, relation in relations.items():
                started = time.perf_counter()
                relation.update(batch)
                seconds[way.estimator] += time.perf_counter() - started
                if number in measured:
                    apart = deviation(relation.relation, table, options.thresholds, symmetric=symmetric)
                    points[way, phase].append(Point(number, apart))
    updates = len(phases) * options.batches * len(options.decays)
    return points, {estimator: total / updates for estimator, total in seconds.items()}


def settle(course: Sequence[Point], options: StudyOptions, frozen: float) -> Settled:
    """Sum up the measurements of one moving average in one phase.

    Args:
        course: The measurements, in order.
        options: Tolerance, thresholds and batches are used.
        frozen: Mean absolute difference of the frozen matrix.
    """
    late = [point.deviation for point in course if point.batch > (1 - SETTLED_SHARE) * options.batches]
    mean = fmean(part.mean for part in late)
    wrong = tuple(fmean(part.wrong_side[place] for part in late) for place in range(len(options.thresholds)))
    return Settled(
        mean=mean,
        maximum=fmean(part.maximum for part in late),
        wrong_side=wrong,
        to_floor=_first(course, NEAR_FLOOR * mean),
        to_tolerance=_first(course, options.tolerance),
        to_frozen=_first(course, frozen),
    )


def _first(course: Sequence[Point], bound: float) -> float:
    """Return the number of batches until the mean difference is at most ``bound``; NaN if it never is."""
    return next((float(point.batch) for point in course if point.deviation.mean <= bound), math.nan)


def run_study(
    phases: Sequence[npt.NDArray[Any]], options: StudyOptions, *, say: Callable[[str], None] = lambda text: None
) -> Study:
    """Compare the moving averages with the relation of the whole table.

    Args:
        phases: The labels, (N, M): of one table, or of two where the data changes midway; NaN where missing.
        options: What is compared.
        say: Called with a line for each part that is done.

    Raises:
        DataError: If a table has fewer rows than a batch.
    """
    smallest, largest = min(map(len, phases)), max(options.batch_sizes)
    if smallest < largest:
        raise DataError(f"a table of {smallest} rows has no batch of {largest}; give smaller --batch-sizes")
    tables, seconds = [], []
    labels = [as_bool(part) for part in phases]
    for part in labels:
        started = time.perf_counter()
        tables.append(whole_relation(part, options.measure))
        seconds.append(time.perf_counter() - started)
    symmetric = MEASURES[options.measure].symmetric
    courses: dict[tuple[Way, int, int], Sequence[Point]] = {}
    updates: dict[tuple[int, str], list[float]] = {}
    for batch_size in options.batch_sizes:
        for seed in options.seeds:
            points, times = follow(labels, tables, options, batch_size=batch_size, seed=seed)
            courses |= {(way, seed, phase): course for (way, phase), course in points.items()}
            for estimator, mean in times.items():
                updates.setdefault((batch_size, estimator), []).append(mean)
            say(f"batches of {batch_size}, seed {seed}: done")
    return Study(
        options=options,
        tables=tuple(tables),
        rows=tuple(map(len, phases)),
        mining_seconds=tuple(seconds),
        update_seconds={key: fmean(means) for key, means in updates.items()},
        frozen=tuple(deviation(tables[0], table, options.thresholds, symmetric=symmetric) for table in tables),
        courses=courses,
    )
