"""What a history says: in words, as CSV, and as a table."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, TextIO

import numpy as np
import numpy.typing as npt

from obrl.mining.changes.activity import active_states, first_of_each, limits_in_words, when_active
from obrl.mining.changes.comparison_words import LABELS_SHOWN, has_or_have, in_text, percent
from obrl.mining.changes.differences import share_variance
from obrl.mining.changes.over_time import Indices, values_over_time
from obrl.mining.changes.tails import normal_test
from obrl.mining.result_tables import LONGEST_NAME, as_text_table, hidden_rows, q_in_words
from obrl.report.words import counted, listed, one_line, verb
from obrl.significance import benjamini_hochberg

if TYPE_CHECKING:
    from obrl.mining.changes.over_time import OverTime

SHOWN = 10
LEAST_CHANGE = 1e-5
"""Smaller changes of a relation that a model learnt are those of float32, whose mean is never quite the same twice."""


def sentences(result: OverTime, q: float = 0.05, thresholds: tuple[float, float] | None = None) -> list[str]:
    """What drifts, a line each."""
    history, steps = result.history, result.history.steps
    if result.tested:
        assert history.counts is not None
        lines = [f"{counted(int(steps[-1]), 'row')} in {counted(len(steps), 'part')}; {history.num_labels:,} labels"]
        words = f"{how_many_drift(result, q)} over the parts ({_bound(result, q)})"
        if lacking := int((~result.supported).sum()):
            words += f"; {lacking:,} {has_or_have(lacking)} too few rows to say"
        lines.append(words)
        lines += _rates(result, q)
    else:
        lines = [
            f"{counted(len(steps), 'snapshot')} from step {steps[0]:,} to {steps[-1]:,}; {history.num_labels:,} labels",
            "no test: snapshots of one run depend on each other, and hold no counts",
        ]
    return [*lines, _activity(result, thresholds)]


def how_many_drift(result: OverTime, q: float = 0.05) -> str:
    """How many pairs of all drift."""
    number = int(result.drifts(q).sum())
    return f"{number:,} of {counted(len(result), 'pair')} {verb(number, 'drift')}"


def drift_in_words(result: OverTime, q: float = 0.05) -> str:
    """How many pairs of a table drift, and from where to where the pair goes whose phi moves furthest."""
    order = shown_order(result, q)
    number = f"over the rows {how_many_drift(result, q)} ({_bound(result, q)})"
    if not len(order):
        return number
    pair = int(order[0])
    names = listed([result.names[int(end[pair])] for end in (result.i, result.j)])
    most = "" if len(order) == 1 else "most of all "
    return (
        f"{number}: {most}{names}, whose phi goes from "
        f"{result.first[pair]:+.2f} in the first rows to {result.last[pair]:+.2f} in the last, and lies between "
        f"{result.least[pair]:+.2f} and {result.greatest[pair]:+.2f}"
    )


def _bound(result: OverTime, q: float) -> str:
    """The largest q, and whether groups of rows were allowed for."""
    return f"q <= {q:g}{', by groups' if result.history.error_ratio is not None else ''}"


def _activity(result: OverTime, thresholds: tuple[float, float] | None) -> str:
    """How many pairs a loss would have acted on, and how often that changed."""
    at = limits_in_words(result.history, thresholds)
    if at is None:
        return (
            f"no thresholds on the scale of {result.history.measure} are known, so nothing says when pairs are active: "
            "name them with --positive-threshold and --negative-threshold"
        )
    states = active_states(result.history, thresholds, result.i, result.j)
    before, after = states[:-1], states[1:]
    became, stopped = ((before == 0) & (after != 0)).sum(), ((before != 0) & (after == 0)).sum()
    turned = (before * after < 0).sum()
    first, last = ((states[end] != 0).sum() for end in (0, -1))
    return (
        f"active at {at}: {counted(int(first), 'pair')} at first, {last:,} at last; pairs became active "
        f"{counted(int(became), 'time')}, stopped {counted(int(stopped), 'time')} and changed sides "
        f"{counted(int(turned), 'time')}"
    )


def _rates(result: OverTime, q: float) -> list[str]:
    """A line on the labels whose prevalence changed between the halves of a table, beyond chance."""
    history = result.history
    assert history.counts is not None
    middle = (len(history) + 1) // 2
    rates, variance = [], np.zeros(history.num_labels)
    for half in (slice(None, middle), slice(middle, None)):
        diagonals = (field[half].diagonal(axis1=1, axis2=2) for field in (history.counts.n, history.counts.s))
        known, present = (diagonal.sum(axis=0, dtype=np.float64) for diagonal in diagonals)
        rates.append(present / np.where(known > 0, known, np.nan))
        variance += share_variance(known, present)
    ratio = 1.0 if history.error_ratio is None else history.error_ratio.diagonal()
    changed = benjamini_hochberg(normal_test((rates[1] - rates[0]) / (ratio * np.sqrt(variance)))) <= q
    order = np.argsort(np.where(changed, -np.abs(rates[1] - rates[0]), np.inf), kind="stable")[: changed.sum()]
    halves = "from the first to the second half of the parts"
    if not len(order):
        return [f"no label changed its prevalence {halves} (q <= {q:g})"]
    moves = ", ".join(
        f"{one_line(result.names[k], LONGEST_NAME)} from {percent(rates[0][k])} to {percent(rates[1][k])}"
        for k in order[:LABELS_SHOWN].tolist()
    )
    most = "; most" if len(order) > LABELS_SHOWN else ""
    return [
        f"prevalence changed {halves} for {len(order):,} of {history.num_labels:,} labels (q <= {q:g}){most}: {moves}"
    ]


def pair_table(
    result: OverTime, order: npt.NDArray[np.intp], thresholds: tuple[float, float] | None = None
) -> tuple[tuple[str, ...], list[tuple[str | float, ...]]]:
    """The heading and the cells of a table of some pairs."""
    states = active_states(result.history, thresholds, result.i[order], result.j[order])
    known = limits_in_words(result.history, thresholds) is not None
    firsts, lasts = first_of_each(result.history), result.history.steps
    rows: list[tuple[str | float, ...]] = []
    for position, pair in enumerate(order.tolist()):
        names = (one_line(result.names[int(end[pair])], LONGEST_NAME) for end in (result.i, result.j))
        values = (float(column[pair]) for column in (result.first, result.last, result.least, result.greatest))
        test = (f"{result.statistic[pair]:.1f}", f"{result.degrees[pair]}", q_in_words(float(result.q[pair])))
        active = when_active(states[:, position], firsts, lasts) or "never"
        rows.append((*names, *values, *(test if result.tested else ()), *((active,) if known else ())))
    head = ("label", "label", f"first {result.scale}", "last", "least", "greatest")
    return (
        *head,
        *(("Q", "df", "q") if result.tested else ()),
        *((f"active ({unit_of(result)})",) if known else ()),
    ), rows


def unit_of(result: OverTime) -> str:
    """What the steps of a history count."""
    return "rows" if result.tested else "steps"


def shown_order(
    result: OverTime, q: float = 0.05, thresholds: tuple[float, float] | None = None
) -> npt.NDArray[np.intp]:
    """The pairs that drift, the furthest first; without a test those that were ever active, then those that moved."""
    order = result.order()
    if result.tested:
        return order[result.drifts(q)[order]]
    ever = (active_states(result.history, thresholds, result.i, result.j) != 0).any(axis=0)
    return np.concatenate([order[ever[order]], order[(~ever & (result.range > LEAST_CHANGE))[order]]])


def summary(result: OverTime, q: float = 0.05, top: int = SHOWN, thresholds: tuple[float, float] | None = None) -> str:
    """What drifts, in words, with a table of the pairs that moved furthest.

    Args:
        result: of `over_time`.
        q: the largest share of false discoveries.
        top: the pairs to show; 0 for all.
        thresholds: as in `obrl.mining.changes.activity.limits`.
    """
    lines, order = sentences(result, q, thresholds), shown_order(result, q, thresholds)
    shown = order[:top] if top else order
    if len(shown):
        lines += ["", as_text_table(*in_text(*pair_table(result, shown, thresholds)), left=2)]
    return "\n".join([*lines, *hidden_rows(len(order), len(shown))])


def write_over_time(
    file: TextIO, result: OverTime, q: float = 0.05, thresholds: tuple[float, float] | None = None
) -> None:
    """Write all pairs as CSV, those that moved furthest first.

    Args:
        file: opened with `newline=""`.
        result: of `over_time`.
        q: for the column `drifts`.
        thresholds: as in `obrl.mining.changes.activity.limits`.
    """
    order, names, writer = result.order(), result.names, csv.writer(file)
    states = active_states(result.history, thresholds, result.i, result.j)
    numbers = ("first", "last", "least", "greatest", "statistic", "p", "q")
    writer.writerow(("label_1", "label_2", *numbers, "degrees", "supported", "drifts", "active"))
    drifting, firsts, lasts = result.drifts(q), first_of_each(result.history), result.history.steps
    for pair in order.tolist():
        writer.writerow(
            (
                names[int(result.i[pair])],
                names[int(result.j[pair])],
                *(_number(float(getattr(result, name)[pair])) for name in numbers),
                int(result.degrees[pair]),
                *("yes" if column[pair] else "no" for column in (result.supported, drifting)),
                when_active(states[:, pair], firsts, lasts),
            )
        )


def _number(value: float) -> str:
    return "" if value != value else f"{value:.6g}"


def series(result: OverTime, order: Indices) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The names and values over the steps of some pairs, for a chart; on the scale of `result.scale`."""
    values = values_over_time(result.history, result.i[order], result.j[order])
    names = (
        " and ".join(one_line(result.names[int(end[pair])], LONGEST_NAME) for end in (result.i, result.j))
        for pair in order.tolist()
    )
    return tuple((name, tuple(line.tolist())) for name, line in zip(names, values.T, strict=True))
