"""What a history says: in words, as CSV, and as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.history import History
from obrl.measures import MEASURES
from obrl.mining.comparison_words import has_or_have, in_text
from obrl.mining.differences import joint_rows
from obrl.mining.jackknife import pairs_of
from obrl.mining.reports import LONGEST_NAME, as_text_table, q_in_words
from obrl.report.words import counted, one_line
from obrl.significance import FEWEST_JOINT

if TYPE_CHECKING:
    from obrl.mining.over_time import OverTime

SHOWN = 10
DEFAULT_THRESHOLDS = (0.8, 0.2)
"""Those of a loss."""

States = npt.NDArray[np.int8]
Indices = npt.NDArray[np.intp]


def active_states(history: History, thresholds: tuple[float, float] | None, i: Indices, j: Indices) -> States:
    """Which pairs a loss would have acted on at each step.

    Args:
        history: of a table or of training.
        thresholds: the positive and the negative one, on the scale of the history's measure; None for those that the
            history stores, and .8 and .2, a loss's defaults, where it stores none.
        i: the first labels of the pairs.
        j: the second labels.

    Returns:
        (steps, pairs) int8: 1 where the relation is at least the positive threshold, -1 where it is at most the
        negative one, else 0. Where a pair is undefined, or a part of a table has neither five joint rows nor expects
        five if the labels were unrelated, the pair is as it was before, at first 0.
    """
    limits = history.thresholds
    limits = np.where(np.isnan(limits), DEFAULT_THRESHOLDS, limits)
    if thresholds is not None:
        limits[:] = thresholds
    values = history.relation[:, i, j]
    states = (values >= limits[:, :1]).astype(np.int8) - (values <= limits[:, 1:])
    for step in range(len(states)):
        unknown = np.isnan(values[step])
        if history.counts is not None:
            part = pairs_of(PairCounts(*(field[step] for field in history.counts)), i, j)
            unknown |= joint_rows(part, part) < FEWEST_JOINT
        states[step, unknown] = states[step - 1, unknown] if step else 0
    return states


def when_active(states: npt.NDArray[np.int8], steps: npt.NDArray[np.int64]) -> str:
    """One pair's states in words.

    Example:
        >>> when_active(np.array([0, 1, 1, 0], np.int8), np.array([10, 20, 30, 40]))
        'together 20 to 30'
        >>> when_active(np.array([-1, -1, 1], np.int8), np.array([1, 2, 3]))
        'apart to 2, together from 3'
    """
    starts = np.flatnonzero(np.diff(states, prepend=states[:1] - 1) != 0).tolist()
    spans = []
    for start, stop in zip(starts, [*starts[1:], len(states)], strict=True):
        if states[start]:
            sign = "together" if states[start] > 0 else "apart"
            if (start, stop) == (0, len(states)):
                when = "always"
            elif start == 0:
                when = f"to {steps[stop - 1]:,}"
            elif stop == len(states):
                when = f"from {steps[start]:,}"
            else:
                when = f"{steps[start]:,} to {steps[stop - 1]:,}"
            spans.append(f"{sign} {when}")
    return ", ".join(spans)


def sentences(result: OverTime, q: float = 0.05, thresholds: tuple[float, float] | None = None) -> list[str]:
    """What drifts, a line each."""
    history, steps = result.history, result.history.steps
    states = active_states(history, thresholds, result.i, result.j)
    if result.tested:
        assert history.counts is not None
        lines = [f"{counted(int(steps[-1]), 'row')} in {counted(len(steps), 'part')}; {history.num_labels:,} labels"]
        drifting = result.drifts(q)
        how = ", by groups" if history.error_ratio is not None else ""
        words = f"{drifting.sum():,} of {counted(len(result), 'pair')} drift over the parts (q <= {q:g}{how})"
        if lacking := int((~result.supported).sum()):
            words += f"; {lacking:,} {has_or_have(lacking)} too few rows to say"
        lines.append(words)
        lines += _rates(result)
    else:
        lines = [
            f"{counted(len(steps), 'snapshot')} from step {steps[0]:,} to {steps[-1]:,}; {history.num_labels:,} labels",
            "no test: snapshots of one run depend on each other, and hold no counts",
        ]
    became, stopped = ((states[:-1] == 0) & (states[1:] != 0)).sum(), ((states[:-1] != 0) & (states[1:] == 0)).sum()
    limits = _in_words(history, thresholds)
    first, last = ((states[end] != 0).sum() for end in (0, -1))
    lines.append(
        f"active at {limits}: {counted(int(first), 'pair')} at first, {last:,} at last; pairs became active "
        f"{counted(int(became), 'time')} and stopped {counted(int(stopped), 'time')}"
    )
    return lines


def _rates(result: OverTime) -> list[str]:
    """A line on the labels whose prevalence moved furthest between the halves of a table."""
    counts = result.history.counts
    assert counts is not None
    middle = (len(counts.s) + 1) // 2
    halves = []
    for half in (slice(None, middle), slice(middle, None)):
        diagonals = (field[half].diagonal(axis1=1, axis2=2) for field in (counts.n, counts.s))
        known, present = (diagonal.sum(axis=0, dtype=np.float64) for diagonal in diagonals)
        halves.append(present / np.where(known > 0, known, np.nan))
    move = np.abs(halves[1] - halves[0])
    order = np.argsort(-np.nan_to_num(move), kind="stable")[:3]
    listed = [
        f"{one_line(result.names[k], LONGEST_NAME)} from {100 * halves[0][k]:.1f} % to {100 * halves[1][k]:.1f} %"
        for k in order.tolist()
        if move[k] > 0
    ]
    words = "prevalence moved most from the first to the second half of the parts for"
    return [f"{words} {', '.join(listed)}"] if listed else []


def _in_words(history: History, thresholds: tuple[float, float] | None) -> str:
    """The thresholds, and whose they are."""
    if thresholds is None and not np.isnan(history.thresholds).all():
        return "the thresholds of the run"
    high, low = DEFAULT_THRESHOLDS if thresholds is None else thresholds
    return f"{history.measure} >= {high:g} or <= {low:g}"


def pair_table(
    result: OverTime, order: npt.NDArray[np.intp], thresholds: tuple[float, float] | None = None
) -> tuple[tuple[str, ...], list[tuple[str | float, ...]]]:
    """The heading and the cells of a table of some pairs."""
    states = active_states(result.history, thresholds, result.i[order], result.j[order])
    rows: list[tuple[str | float, ...]] = []
    for position, pair in enumerate(order.tolist()):
        names = (one_line(result.names[int(end[pair])], LONGEST_NAME) for end in (result.i, result.j))
        values = (float(column[pair]) for column in (result.first, result.last, result.least, result.greatest))
        test = (f"{result.statistic[pair]:.1f}", f"{result.degrees[pair]}", q_in_words(float(result.q[pair])))
        active = when_active(states[:, position], result.history.steps) or "never"
        rows.append((*names, *values, *(test if result.tested else ()), active))
    head = ("label", "label", f"first {result.scale}", "last", "least", "greatest")
    return (*head, *(("Q", "df", "q") if result.tested else ()), "active"), rows


def shown_order(result: OverTime, q: float = 0.05) -> npt.NDArray[np.intp]:
    """The pairs that drift, or without a test those that moved, the furthest first."""
    order = result.order()
    return order[(result.drifts(q) if result.tested else result.range > 0)[order]]


def summary(result: OverTime, q: float = 0.05, top: int = SHOWN, thresholds: tuple[float, float] | None = None) -> str:
    """What drifts, in words, with a table of the pairs that moved furthest.

    Args:
        result: of `over_time`.
        q: the largest share of false discoveries.
        top: the pairs to show; 0 for all.
        thresholds: as in `active_states`.
    """
    lines, order = sentences(result, q, thresholds), shown_order(result, q)
    shown = order[:top] if top else order
    if len(shown):
        lines += ["", as_text_table(*in_text(*pair_table(result, shown, thresholds)), left=2)]
    if len(shown) < len(order):
        lines.append(f"... and {len(order) - len(shown):,} more: --top 0 shows all")
    return "\n".join(lines)


def write_over_time(
    file: TextIO, result: OverTime, q: float = 0.05, thresholds: tuple[float, float] | None = None
) -> None:
    """Write all pairs as CSV, those that moved furthest first.

    Args:
        file: opened with `newline=""`.
        result: of `over_time`.
        q: for the column `drifts`.
        thresholds: as in `active_states`.
    """
    order, names, writer = result.order(), result.names, csv.writer(file)
    states = active_states(result.history, thresholds, result.i, result.j)
    numbers = ("first", "last", "least", "greatest", "statistic", "p", "q")
    writer.writerow(("label_1", "label_2", *numbers, "degrees", "supported", "drifts", "active"))
    drifting, steps = result.drifts(q), result.history.steps
    for pair in order.tolist():
        writer.writerow(
            (
                names[int(result.i[pair])],
                names[int(result.j[pair])],
                *(_number(float(getattr(result, name)[pair])) for name in numbers),
                int(result.degrees[pair]),
                *("yes" if column[pair] else "no" for column in (result.supported, drifting)),
                when_active(states[:, pair], steps),
            )
        )


def _number(value: float) -> str:
    return "" if value != value else f"{value:.6g}"


def series(result: OverTime, order: Sequence[int]) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The names and values over the steps of some pairs, for a chart; on the scale of `result.scale`."""
    to_phi = MEASURES[result.history.measure].to_phi
    lines = []
    for pair in order:
        ends = int(result.i[pair]), int(result.j[pair])
        values = result.history.relation[:, ends[0], ends[1]].astype(np.float64)
        values = values if to_phi is None else np.array([to_phi(value) for value in values.tolist()])
        names = " and ".join(one_line(result.names[end], LONGEST_NAME) for end in ends)
        lines.append((names, tuple(values.tolist())))
    return tuple(lines)
