"""Mean and spread over seeds, and paired differences with their intervals: by bootstrap, and by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.reports.right import Right, Unit

SAMPLES = 2000
LEVEL = 0.95
SEED = 0
_CHUNK = 200
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A difference in percentage points with its interval of 95 %.

    Args:
        mean: The difference.
        low: Lower end; NaN where one seed gives no interval.
        high: Upper end; NaN where one seed gives no interval.
        seeds: How many seeds it is from.
    """

    mean: float
    low: float
    high: float
    seeds: int = 1

    @property
    def verdict(self) -> str:
        """What it says in words: ``no difference`` where the interval holds zero, else higher or lower.

        Without an interval it is ``one seed``, without a difference ``not measured``.
        """
        if math.isnan(self.mean):
            return "not measured"
        if math.isnan(self.low):
            return "one seed"
        if self.low <= 0 <= self.high:
            return "no difference"
        return ("higher" if self.low > 0 else "lower") + (" with this seed" if self.seeds == 1 else "")


@dataclass(frozen=True)
class Difference:
    """The difference between two ways to train, paired by seed and test picture.

    Args:
        accuracy: Of the mean accuracy over the attributes.
        attributes: Of each attribute's accuracy, by name.
        unit: What was resampled beside the seeds: people or pictures.
        units: How many there are.
        seeds: How many pairs of runs there are.
    """

    accuracy: Interval
    attributes: dict[str, Interval]
    unit: Unit
    units: int
    seeds: int

    def method(self) -> str:
        """Return how the interval was made, as a sentence."""
        return describe_method([("", self)])


def describe_method(differences: Sequence[tuple[str, Difference]]) -> str:
    """Return how the intervals of differences were made, as a sentence.

    Args:
        differences: At least one, of the same seeds, each after the name of its data set.
    """
    last = differences[-1][1]
    start = (
        "Differences in accuracy are in percentage points, paired by seed and test picture; intervals of 95 % are "
        f"from {SAMPLES} bootstrap samples of the {_tested(differences)}"
    )
    if last.seeds == 1:
        return f"{start}. With one seed they say nothing about other seeds."
    return (
        f"{start} and {last.seeds} seeds, whose deviations are multiplied by {seed_factor(last.seeds):.2f}, "
        "for few seeds show too little of their spread (Student's t)."
    )


def _tested(differences: Sequence[tuple[str, Difference]]) -> str:
    """Return what was resampled beside the seeds, with the data set of each number where there are several."""
    tested = list(dict.fromkeys((data, change.unit, change.units) for data, change in differences))
    if len(tested) == 1:
        ((_, unit, count),) = tested
        return f"{count} test {unit}"
    kinds = list(dict.fromkeys(unit for _, unit, _ in tested))
    counts = (f"{count:,}{f' {unit}' if len(kinds) > 1 else ''} of {data}" for data, unit, count in tested)
    return f"test {' or '.join(kinds)} ({', '.join(counts)})"


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation over seeds; NaN where too few values are measured.

    Example:
        >>> mean_and_spread([1.0, 2.0, 3.0])
        (2.0, 1.0)
    """
    measured = [value for value in values if not math.isnan(value)]
    mean = fmean(measured) if measured else math.nan
    return mean, stdev(measured) if len(measured) > 1 else math.nan


def paired_difference(
    first: Sequence[Right], second: Sequence[Right], *, samples: int = SAMPLES, seed: int = SEED
) -> Difference:
    """Return by how much the first way is better than the second.

    In every bootstrap sample test people (or pictures, where nobody is known) and seeds are drawn with replacement;
    both ways are measured on the same ones. The seeds' deviations from their mean are multiplied by `seed_factor`
    beforehand, because there are few of them.

    Args:
        first: What a run of each seed predicted rightly.
        second: The same seeds' runs of the other way, in the same order.
        samples: Bootstrap samples.
        seed: Of the samples.

    Raises:
        ValueError: If the runs are not about the same pictures, or there are none.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"a paired difference needs the same seeds twice; got {len(first)} and {len(second)} runs")
    reference = first[0]
    for run in (*first, *second):
        if (run.pictures, run.names) != (reference.pictures, reference.names):
            raise ValueError("the runs were tested on other pictures or attributes and cannot be compared")
    counted = _by_unit(reference.known, reference.units)  # (units, M)
    gained = np.stack(
        [_by_unit(a.right.astype(np.int64) - b.right, reference.units) for a, b in zip(first, second, strict=True)]
    )  # (seeds, units, M)
    seeds, units, _ = gained.shape
    centre = gained.mean(axis=0)  # (units, M)
    spread = centre + seed_factor(seeds) * (gained - centre)  # (seeds, units, M)
    rng = np.random.default_rng(seed)
    chunks = [min(_CHUNK, samples - start) for start in range(0, samples, _CHUNK)]
    draws = np.concatenate([_resample(rng, spread, counted, count) for count in chunks])  # (samples, M)
    means = _nanmean(draws)  # (samples,)
    observed = _share(centre.sum(axis=0), counted.sum(axis=0))
    return Difference(
        accuracy=_interval(float(_nanmean(observed[None])[0]), means, seeds),
        attributes={
            name: _interval(float(observed[place]), draws[:, place], seeds)
            for place, name in enumerate(reference.names)
        },
        unit=reference.unit,
        units=units,
        seeds=seeds,
    )


def student_interval(differences: Sequence[float]) -> Interval:
    r"""Return the mean of what seeds differ by, with its interval of 95 % by Student's t.

    Let s be the standard deviation of the differences of S seeds, and :math:`\bar d` their mean. The interval is

    .. math:: \bar d \pm t_{0.975}(S - 1) \cdot \frac{s}{\sqrt{S}}

    It says how far the mean may move with other seeds, on the same test pictures.

    Args:
        differences: Of two ways with the same seed in percentage points, one a seed, at least one. Where one of them
            is NaN, the mean is NaN; with one seed the interval is.

    Example:
        >>> interval = student_interval([1.0, 2.0, 3.0])
        >>> [round(value, 2) for value in (interval.mean, interval.low, interval.high)]
        [2.0, -0.48, 4.48]
        >>> interval.verdict
        'no difference'
    """
    seeds, mean = len(differences), fmean(differences)
    if seeds == 1 or math.isnan(mean):
        return Interval(mean, math.nan, math.nan, seeds)
    half = _student_quantile(seeds) * stdev(differences) / math.sqrt(seeds)
    return Interval(mean, mean - half, mean + half, seeds)


def seed_factor(seeds: int) -> float:
    r"""Return by how much the deviations of S seeds from their mean are enlarged before seeds are resampled.

    Let s be the standard deviation over S seeds. The mean over them has the standard error :math:`s / \sqrt{S}`, and
    the means of S seeds drawn with replacement have the variance :math:`\frac{S - 1}{S} \cdot \frac{s^2}{S}`; the
    root of S / (S - 1) mends that. Percentiles of resampled means, however, are about :math:`\pm z s / \sqrt{S}`
    with the normal distribution's quantile z, 1.96 for 95 %. As s is estimated from S values too, the distance from
    the truth in standard errors follows Student's distribution with S - 1 degrees of freedom, so that the interval
    must be :math:`\pm t s / \sqrt{S}`, and t / z mends that:

    .. math:: \sqrt{\frac{S}{S - 1}} \cdot \frac{t_{0.975}(S - 1)}{z_{0.975}}

    Where differences vary between seeds alone, and normally, intervals then contain the truth in 93 to 96 of 100 cases
    (few seeds have few different means, so that percentiles are coarse); with the root alone they would in some 60 for
    two seeds and some 87 for five.

    Args:
        seeds: S; with one there is no deviation, and the factor is 1.

    Example:
        >>> [round(seed_factor(seeds), 2) for seeds in (1, 2, 3, 5, 10)]
        [1.0, 9.17, 2.69, 1.58, 1.22]
    """
    if seeds == 1:
        return 1.0
    return math.sqrt(seeds / (seeds - 1)) * _student_quantile(seeds) / NormalDist().inv_cdf((1 + LEVEL) / 2)


def _student_quantile(seeds: int) -> float:
    """Return how many standard errors the mean over some seeds, at least two, may lie from the truth at 95 %."""
    from scipy.special import stdtrit  # for those only who compare runs

    return float(stdtrit(seeds - 1, (1 + LEVEL) / 2))


def _resample(rng: np.random.Generator, spread: Array, counted: Array, count: int) -> Array:
    """Return the differences of the attributes in some bootstrap samples, in percentage points: (count, M).

    Args:
        rng: Where the samples come from.
        spread: (seeds, units, M) by how many right pictures the first way is ahead.
        counted: (units, M) how many pictures have a label.
        count: How many samples.
    """
    seeds, units, _ = spread.shape
    unit_times = rng.multinomial(units, np.full(units, 1 / units), size=count).astype(np.float64)  # (count, units)
    seed_shares = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=count) / seeds  # (count, seeds)
    by_seed = unit_times @ spread  # (seeds, count, M)
    ahead = np.einsum("cs,scm->cm", seed_shares, by_seed)
    return _share(ahead, unit_times @ counted)


def _by_unit(values: npt.NDArray[Any], units: npt.NDArray[np.int64]) -> Array:
    """Return the sums of the pictures of each unit: (units, M)."""
    sums = np.zeros((int(units.max()) + 1, values.shape[1]))
    np.add.at(sums, units, values)
    return sums


def _share(part: Array, whole: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100 * part / whole)


def _nanmean(values: Array) -> Array:
    """Return the mean of each row over its attributes that are measured."""
    measured = ~np.isnan(values)
    counts = measured.sum(axis=1)
    return _share(np.where(measured, values, 0).sum(axis=1), counts) / 100


def _interval(mean: float, draws: Array, seeds: int) -> Interval:
    measured = draws[~np.isnan(draws)]
    if math.isnan(mean) or not len(measured):
        return Interval(math.nan, math.nan, math.nan, seeds)
    low, high = np.quantile(measured, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high), seeds)
