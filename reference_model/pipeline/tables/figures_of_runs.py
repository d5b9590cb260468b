"""The columns that tables of attributes share, from the reports of cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from statistics import fmean
from typing import NamedTuple, TypeVar

from reference_model.pipeline.cells import CellResult, treatment_of
from reference_model.pipeline.tables.statistics import (
    Difference,
    Interval,
    describe_method,
    mean_and_spread,
    paired_difference,
    student_interval,
)
from reference_model.pipeline.tables.stored import DifferenceStore, Pair
from reference_model.pipeline.tables.table import Column, Line, Part, Value
from reference_model.runs import RunError

Group = TypeVar("Group", bound=Hashable)

TOLERANCE = 1e-6
"""By how many points a stored difference may be off that of the reports, the same mean in another order of sums."""

FIGURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("accuracy", ("mean_accuracy",)),
    ("balanced accuracy", ("mean_balanced_accuracy",)),
    ("average precision", ("mean_average_precision",)),
    ("majority class", ("mean_majority_accuracy",)),
    ("implausible, predicted", ("implausible", "rate_predicted")),
    ("implausible, labels", ("implausible", "rate_labels")),
)
"""Figures in per cent: the column's name and where the report has it."""

FIGURE_COLUMNS = (
    Column("seeds", 0),
    Column("accuracy"),
    Column("±"),
    *(Column(name) for name, _ in FIGURES[1:]),
)
"""The columns of `figure_values`; ± is the standard deviation of the accuracy over the seeds."""

FIGURE_NOTE = (
    "All figures are in per cent, means over the attributes on the test part. *Majority class* always answers with the "
    "more frequent value in the training part. *Implausible* is the share of test pictures with at least one pair of "
    "values that all training labels of the data set all but exclude, also where a part of them is trained on, in the "
    "predictions and in the labels themselves. ± is the standard deviation over the seeds."
)
DIFFERENCE_COLUMNS = (Column("difference"), Column("from"), Column("to"), Column("in words"))
"""The columns of `difference_values`, for a difference in one figure."""

COMPARISON_COLUMNS = tuple(
    Column(f"{figure} {column.name}", column.digits) for figure in ("accuracy", "mAP") for column in DIFFERENCE_COLUMNS
)
"""The columns of `compare`: a difference in mean accuracy, and one in mean average precision (mAP)."""

NO_COMPARISON: tuple[Value, ...] = (math.nan, math.nan, math.nan, "") * 2
"""For ``COMPARISON_COLUMNS`` in the row that others are compared with."""


class Comparison(NamedTuple):
    """A row of a table of differences.

    Attributes:
        before: What stands before the difference.
        first: The results of one way, in the order of the seeds.
        second: Those of the way that it is compared with, for the same seeds.
        after: What stands behind the difference.
    """

    before: Sequence[Value]
    first: Sequence[CellResult]
    second: Sequence[CellResult]
    after: Sequence[Value] = ()


def differences_part(
    name: str, title: str, before: Sequence[Column], comparisons: Iterable[Comparison], after: Sequence[Column] = ()
) -> Part:
    """Return a table of paired differences in mean accuracy and mAP, with how their intervals come about as its notes.

    Args:
        name: As of `Part`.
        title: As of `Part`.
        before: The columns before the difference.
        comparisons: The rows.
        after: The columns behind it.
    """
    rows: list[list[Value]] = []
    compared = []
    for comparison in comparisons:
        compared.append(compare(comparison.first, comparison.second))
        rows.append([*comparison.before, *compared[-1].values(), *comparison.after])
    return Part(name, title, (*before, *COMPARISON_COLUMNS, *after), rows, notes_on(compared))


def accuracy_line(label: str, places: Sequence[float], groups: Iterable[Sequence[CellResult]]) -> Line:
    """Return a line of mean accuracies with their spread over the seeds, a group of results for every place."""
    means, spreads = zip(*map(accuracy_of, groups), strict=True)
    return Line(label, places, means, spreads)


def figure_values(results: Sequence[CellResult]) -> list[Value]:
    """Return the number of seeds, the mean accuracy with its spread, and the means of the other figures."""
    mean, spread = accuracy_of(results)
    others = [mean_and_spread([100 * result.figure(*names) for result in results])[0] for _, names in FIGURES[1:]]
    return [len(results), mean, spread, *others]


def accuracy_of(results: Sequence[CellResult]) -> tuple[float, float]:
    """Return the mean accuracy in per cent and its standard deviation over the seeds."""
    return mean_and_spread([100 * result.figure("mean_accuracy") for result in results])


def group_results(results: Sequence[CellResult], key: Callable[[CellResult], Group]) -> dict[Group, list[CellResult]]:
    """Return the results by key, each list in the order of the seeds; the keys in their first order."""
    groups: dict[Group, list[CellResult]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return {name: sorted(members, key=seed_of) for name, members in groups.items()}


def seed_of(result: CellResult) -> int:
    """Return the seed of a cell's run."""
    return result.cell.config.seed


class Compared(NamedTuple):
    """By how much one way to train is better than another.

    Attributes:
        data: The data set.
        change: In accuracy.
        precision: In mean average precision.
    """

    data: str
    change: Difference
    precision: Interval

    def values(self) -> list[Value]:
        """Return the values for ``COMPARISON_COLUMNS``."""
        return [*difference_values(self.change.accuracy), *difference_values(self.precision)]


def compare(first: Sequence[CellResult], second: Sequence[CellResult]) -> Compared:
    """Return by how much the first way is better than the second, on the same data set.

    Raises:
        RunError: As `difference`.
    """
    return Compared(first[0].cell.config.data, difference(first, second), precision_difference(first, second))


def notes_on(compared: Sequence[Compared]) -> tuple[str, ...]:
    """Return how the intervals of differences come about: a note on accuracy and one on mAP; none without any."""
    if not compared:
        return ()
    return describe_method([(one.data, one.change) for one in compared]), _method(compared[-1].precision)


def precision_difference(first: Sequence[CellResult], second: Sequence[CellResult]) -> Interval:
    """Return by how much the mean average precision of the first way is above that of the second, of the same seeds."""
    return student_interval(gains(first, second, "mean_average_precision"))


def gains(first: Sequence[CellResult], second: Sequence[CellResult], figure: str = "mean_accuracy") -> list[float]:
    """Return the differences in a figure of the report in percentage points, seed by seed."""
    return [100 * (one.figure(figure) - other.figure(figure)) for one, other in zip(first, second, strict=True)]


def _method(precision: Interval) -> str:
    start = (
        "mAP is the mean average precision. Its differences are in percentage points, paired by seed. Finished cells "
        "keep no scores of single pictures, so that test pictures cannot be resampled for it"
    )
    if precision.seeds == 1:
        return f"{start}, and with one seed there is no interval."
    return (
        f"{start}: intervals of 95 % are by Student's t over the differences of the {precision.seeds} seeds. They say "
        "nothing about other test pictures."
    )


def difference(first: Sequence[CellResult], second: Sequence[CellResult], *, by_attribute: bool = False) -> Difference:
    """Return by how much the first way is better than the second in accuracy; see `paired_difference`.

    It is looked up in the store of differences of the results, where they have one, and computed if it is not there.
    One that a record holds must agree with the reports of its cells.

    Args:
        first: The results of one way, in the order of the seeds.
        second: Those of the other way.
        by_attribute: Whether the result has the differences of the attributes too.

    Raises:
        RunError: If the seeds, test pictures or attributes are not the same, or a record holds another difference than
            that of the reports.
        NoRightError: If it must be computed, and a cell does not say which predictions were right.
    """
    seeds = [[seed_of(result) for result in results] for results in (first, second)]
    if seeds[0] != seeds[1]:
        raise RunError(f"a paired difference needs the same seeds twice; got {seeds[0]} and {seeds[1]}")
    store = (first[0].differences if first else None) or DifferenceStore()
    pair = tuple(result.key for result in first), tuple(result.key for result in second)
    change = store.look_up(pair, lambda: _computed(first, second), by_attribute=by_attribute)
    if store.is_stored(pair):
        _check_against_reports(pair, change, fmean(gains(first, second)))
    return change


def _check_against_reports(pair: Pair, change: Difference, reported: float) -> None:
    stored = change.accuracy.mean
    if abs(stored - reported) <= TOLERANCE or (math.isnan(stored) and math.isnan(reported)):
        return
    first, second = (", ".join(keys) for keys in pair)
    raise RunError(
        f"the record says that the mean accuracy of the cells {first} is {stored:+.6f} points from that of {second}, "
        f"and the reports of these cells say {reported:+.6f}: the record and the cells are not of the same trainings; "
        "take both from the same table"
    )


def _computed(first: Sequence[CellResult], second: Sequence[CellResult]) -> Difference:
    rights = [[result.right() for result in results] for results in (first, second)]
    try:
        return paired_difference(*rights)
    except ValueError as error:
        keys = ", ".join(f"{result.key}.json" for result in (*first, *second))
        raise RunError(
            f"{error}; delete the files of these finished cells and their folders to train them anew: {keys}"
        ) from None


def difference_values(interval: Interval) -> list[Value]:
    """Return a difference for ``DIFFERENCE_COLUMNS``."""
    return [interval.mean, interval.low, interval.high, interval.verdict]


def nets_in_words(result: CellResult) -> str:
    """Return where the nets of a cell come from, those of one origin together."""
    by_origin: dict[str, list[str]] = {}
    for net, origin in result.origins.items():
        by_origin.setdefault(origin, []).append(net)
    return "; ".join(
        origin if len(by_origin) == 1 else f"{' and '.join(nets)}: {origin}" for origin, nets in by_origin.items()
    )


def treatment(result: CellResult) -> str:
    """Return in a word whether the nets of a cell were frozen or tuned."""
    return treatment_of(result.cell.config.net)


def share_in_gradient(results: Sequence[CellResult]) -> float:
    """Return the relation loss's mean share in the gradient over the runs; 0 for cross-entropy, NaN if not measured."""
    shares = [
        result.figure("relation", "share_in_gradient", "run") if result.report["relation"]["used"] else 0.0
        for result in results
    ]
    measured = [share for share in shares if not math.isnan(share)]
    return sum(measured) / len(measured) if measured else math.nan
