"""Spread over seeds, and paired differences with bootstrap intervals, against direct computations."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import ttest_rel

from reference_model.pipeline.tables.statistics import (
    Interval,
    mean_and_spread,
    paired_difference,
    student_interval,
)
from reference_model.reports.right import Right, judge, pack_right, unpack_right

NAMES = ("Bald", "Young", "Male")


def rights(seed: int, *, share: float = 0.7, people: int = 5, known: float = 1.0) -> Right:
    """Return right and wrong predictions of 40 pictures of some people, the same labels for every seed."""
    rng = np.random.default_rng(seed)
    labelled = np.random.default_rng(99).random((40, 3)) < known
    units = np.sort(np.random.default_rng(98).integers(0, people, 40))
    return Right(NAMES, (rng.random((40, 3)) < share) & labelled, labelled, units, "people", "digest")


def direct_accuracy(run: Right, rows: npt.NDArray[np.int64]) -> float:
    """Return the mean accuracy over the attributes of some pictures, in per cent."""
    of_attributes = []
    for column in range(len(run.names)):
        labelled = [row for row in rows if run.known[row, column]]
        if labelled:
            of_attributes.append(sum(bool(run.right[row, column]) for row in labelled) / len(labelled))
    return 100 * sum(of_attributes) / len(of_attributes)


def test_mean_and_spread() -> None:
    assert mean_and_spread([1.0, 2.0, 3.0]) == (2.0, 1.0)
    mean, spread = mean_and_spread([1.5, math.nan])
    assert mean == 1.5 and math.isnan(spread)
    assert math.isnan(mean_and_spread([])[0])


@pytest.mark.parametrize("known", [1.0, 0.6])
def test_a_difference_is_that_of_the_accuracies(known: float) -> None:
    first, second = ([rights(seed, known=known) for seed in seeds] for seeds in ((1, 2), (3, 4)))
    rows = np.arange(40)
    pairs = list(zip(first, second, strict=True))
    expected = np.mean([direct_accuracy(a, rows) - direct_accuracy(b, rows) for a, b in pairs])
    change = paired_difference(first, second, samples=50)
    assert change.accuracy.mean == pytest.approx(expected)
    assert np.mean([interval.mean for interval in change.attributes.values()]) == pytest.approx(expected)
    assert list(change.attributes) == list(NAMES)
    assert (change.unit, change.units, change.seeds) == ("people", 5, 2)


@pytest.mark.parametrize("known", [1.0, 0.6])
def test_the_interval_is_that_of_a_loop_over_samples(known: float) -> None:
    first, second = ([rights(seed, known=known) for seed in seeds] for seeds in ((1, 2), (3, 4)))
    change = paired_difference(first, second, samples=300, seed=5)
    pairs = list(zip(first, second, strict=True))
    rng = np.random.default_rng(5)
    draws: list[float] = []
    while len(draws) < 300:
        count = min(200, 300 - len(draws))
        people = rng.multinomial(5, np.full(5, 0.2), size=count)
        seeds = rng.multinomial(2, np.full(2, 0.5), size=count)
        for times, chosen in zip(people, seeds, strict=True):
            rows = np.concatenate([np.tile(np.flatnonzero(first[0].units == unit), n) for unit, n in enumerate(times)])
            differences = [direct_accuracy(a, rows) - direct_accuracy(b, rows) for a, b in pairs]
            middle = np.mean(differences)
            factor = np.sqrt(2 / (2 - 1)) * 12.7062 / 1.95996  # two seeds: t with one degree of freedom, over z
            enlarged = middle + factor * (np.array(differences) - middle)
            draws.append(float(np.dot(enlarged, chosen) / 2))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (change.accuracy.low, change.accuracy.high) == pytest.approx((low, high), rel=1e-4)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_from_few_seeds_contain_the_truth_as_often_as_they_say(seeds: int) -> None:
    """Each of 1,000 attributes is a trial whose difference, 0 in truth, varies between seeds alone: one person."""
    pictures, trials = 1000, 1000
    names = tuple(f"trial {number}" for number in range(trials))
    rng = np.random.default_rng(seeds)
    everything, same = np.ones((pictures, trials), dtype=bool), np.zeros(pictures, dtype=np.int64)

    def run(correct: npt.NDArray[np.float64]) -> Right:
        return Right(names, np.arange(pictures)[:, None] < correct, everything, same, "people", "digest")

    first = [run(np.rint(rng.normal(pictures / 2, 150, trials))) for _ in range(seeds)]
    second = [run(np.full(trials, pictures / 2))] * seeds
    intervals = paired_difference(first, second).attributes.values()
    coverage = np.mean([interval.verdict == "no difference" for interval in intervals])
    assert coverage == pytest.approx(0.95, abs=0.035)  # .93 to .96, and what 1,000 trials leave open


def test_a_difference_to_itself_is_none() -> None:
    change = paired_difference([rights(1)], [rights(1)])
    assert change.accuracy == Interval(0, 0, 0)
    assert change.accuracy.verdict == "no difference"
    assert "other seeds" in change.method()


def test_a_large_difference_is_told_from_none() -> None:
    change = paired_difference([rights(1, share=0.95)], [rights(2, share=0.4)])
    assert change.accuracy.verdict == "higher with this seed" and change.accuracy.low > 0
    assert paired_difference([rights(2, share=0.4)], [rights(1, share=0.95)]).accuracy.verdict == "lower with this seed"
    several = paired_difference(
        [rights(seed, share=0.95) for seed in (1, 3, 5)], [rights(seed, share=0.4) for seed in (2, 4, 6)]
    )
    assert several.accuracy.verdict == "higher"
    assert "3 seeds, whose deviations are multiplied by 2.69" in several.method()


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_the_interval_of_students_t_is_that_of_scipy(seeds: int) -> None:
    first, second = np.random.default_rng(seeds).normal([[61.0], [60.0]], 1.0, (2, seeds))
    interval = student_interval(list(first - second))
    oracle = ttest_rel(first, second).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((oracle.low, oracle.high))
    assert (interval.mean, interval.seeds) == (pytest.approx((first - second).mean()), seeds)


def test_the_interval_of_students_t_by_hand() -> None:
    interval = student_interval([1.0, 2.0])  # deviation 1 / sqrt(2), t of one degree of freedom 12.706
    assert (interval.low, interval.high) == pytest.approx((1.5 - 12.706 / 2, 1.5 + 12.706 / 2), abs=1e-3)
    assert interval.verdict == "no difference"
    assert student_interval([1.0, 1.1, 1.2]).verdict == "higher"
    assert student_interval([-1.0, -1.1, -1.2]).verdict == "lower"


def test_one_seed_has_no_interval_and_a_missing_figure_no_difference() -> None:
    interval = student_interval([3.0])
    assert (interval.mean, interval.verdict) == (3.0, "one seed") and math.isnan(interval.low + interval.high)
    assert student_interval([3.0, math.nan]).verdict == "not measured"
    assert student_interval([math.nan]).verdict == "not measured"


def test_an_attribute_without_labels_is_not_measured() -> None:
    run = rights(1)
    known = run.known & np.array([True, True, False])
    unlabelled = Right(NAMES, run.right & known, known, run.units, run.unit, run.pictures)
    change = paired_difference([unlabelled], [unlabelled])
    assert change.attributes["Male"].verdict == "not measured"
    assert change.accuracy.verdict == "no difference"


def test_runs_on_other_pictures_are_not_compared() -> None:
    run = rights(1)
    other = Right(run.names, run.right, run.known, run.units, run.unit, "another digest")
    with pytest.raises(ValueError, match="other pictures"):
        paired_difference([run], [other])
    with pytest.raises(ValueError, match="same seeds"):
        paired_difference([run], [])


@pytest.mark.parametrize("people", [None, np.array([3, 3, 9]), np.array([3, -1, 9])])
def test_predictions_survive_packing(people: npt.NDArray[np.int64] | None) -> None:
    logits = np.array([[1.0, -1.0], [0.0, 2.0], [-3.0, -0.5]])
    targets = np.array([[1, 1], [1, np.nan], [0, 0]])
    run = judge(logits, targets, names=("Bald", "Young"), pictures=["a", "b", "c"], people=people)
    assert run.right.tolist() == [[True, False], [True, False], [True, True]]
    assert run.known.tolist() == [[True, True], [True, False], [True, True]]
    everybody = people is not None and people.min() >= 0
    assert run.unit == ("people" if everybody else "pictures")
    assert run.units.tolist() == ([0, 0, 1] if everybody else [0, 1, 2])
    again = unpack_right(pack_right(run))
    assert (again.names, again.unit, again.pictures) == (run.names, run.unit, run.pictures)
    for name in ("right", "known", "units"):
        assert np.array_equal(getattr(again, name), getattr(run, name))
    other = judge(logits, targets, names=("Bald", "Young"), pictures=["a", "b", "d"], people=people)
    assert other.pictures != run.pictures
