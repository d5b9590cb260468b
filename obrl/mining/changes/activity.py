"""When a loss would have acted on a pair: over the parts of a table, or over a training run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.history import History
from obrl.mining.changes.differences import joint_rows
from obrl.mining.jackknife import pairs_of
from obrl.significance import FEWEST_JOINT

DEFAULT_THRESHOLDS = {"unit_pearson": (0.8, 0.2), "pearson": (0.6, -0.6)}
"""Those of a loss by measure: phi .6 and -.6. Other measures have none, for phi does not follow from them."""

States = npt.NDArray[np.int8]
Indices = npt.NDArray[np.intp]


def limits(history: History, thresholds: tuple[float, float] | None) -> npt.NDArray[np.float64]:
    """The positive and the negative threshold at each step, (steps, 2), NaN where none is known.

    Args:
        history: of a table or of training.
        thresholds: the positive and the negative one, on the scale of the history's measure. None, or NaN for one of
            them, takes those that the history stores, and the defaults of a loss where it stores none.

    Example:
        >>> history = History.from_counts([2, 4], PairCounts(*np.ones((4, 2, 2, 2), np.int64)))
        >>> limits(history, (0.7, np.nan)).tolist()
        [[0.7, 0.2], [0.7, 0.2]]
    """
    unknown = (np.nan, np.nan)
    stored = history.thresholds
    stored = np.where(np.isnan(stored), DEFAULT_THRESHOLDS.get(history.measure, unknown), stored)
    return np.where(np.isnan(unknown if thresholds is None else thresholds), stored, thresholds or unknown)


def limits_in_words(history: History, thresholds: tuple[float, float] | None) -> str | None:
    """The thresholds, and whose they are; None where none is known."""
    both = limits(history, thresholds)
    if np.isnan(both).all():
        return None
    if thresholds is None and not np.isnan(history.thresholds).all():
        return f"the thresholds of the run on the scale of {history.measure}"
    words = []
    for sign, column in ((">=", both[:, 0]), ("<=", both[:, 1])):
        values = np.unique(column[~np.isnan(column)])
        if len(values):
            words.append(f"{sign} {values[0]:g}" if len(values) == 1 else f"{sign} the run's")
    return f"{history.measure} {' or '.join(words)}"


def active_states(history: History, thresholds: tuple[float, float] | None, i: Indices, j: Indices) -> States:
    """Which pairs a loss would have acted on at each step.

    Args:
        history: of a table or of training.
        thresholds: as in `limits`; where none is known, no pair is active.
        i: the first labels of the pairs; for a measure with a direction the relation is that of (i, j).
        j: the second labels.

    Returns:
        (steps, pairs) int8: 1 where the relation is at least the positive threshold, -1 where it is at most the
        negative one, else 0. Where a pair is undefined, or a part of a table has neither five joint rows nor expects
        five if the labels were unrelated, the pair is as it was before, at first 0.
    """
    states = np.zeros((len(history), len(i)), np.int8)
    for step, (high, low) in enumerate(limits(history, thresholds).tolist()):
        values = history.at(step, i, j)
        state = (values >= np.float32(high)).astype(np.int8) - (values <= np.float32(low))
        unknown = np.isnan(values)
        if history.counts is not None:
            part = pairs_of(PairCounts(*(field[step] for field in history.counts)), i, j)
            unknown |= joint_rows(part, part) < FEWEST_JOINT
        states[step] = np.where(unknown, states[step - 1] if step else 0, state)
    return states


def first_of_each(history: History) -> npt.NDArray[np.int64]:
    """Where each step begins: the number of a part's first row, from 1; a snapshot's own step."""
    steps = history.steps
    return steps if history.counts is None else np.concatenate([[1], steps[:-1] + 1])


def when_active(states: States, firsts: npt.NDArray[np.int64], lasts: npt.NDArray[np.int64]) -> str:
    """One pair's states in words.

    Args:
        states: (steps,), those of the pair.
        firsts: (steps,), where each step begins, as of `first_of_each`.
        lasts: (steps,), where it ends: `history.steps`.

    Example:
        >>> when_active(np.array([0, 1, 1, 0], np.int8), np.array([1, 11, 21, 31]), np.array([10, 20, 30, 40]))
        'together 11 to 30'
        >>> when_active(np.array([-1, -1, 1], np.int8), np.array([1, 11, 21]), np.array([10, 20, 30]))
        'apart to 20, together from 21'
        >>> when_active(np.array([0, 1, 0], np.int8), *[np.array([100, 200, 300])] * 2)
        'together at 200'
    """
    starts = np.flatnonzero(np.diff(states, prepend=states[:1] - 1) != 0).tolist()
    spans = []
    for start, stop in zip(starts, [*starts[1:], len(states)], strict=True):
        if states[start]:
            sign = "together" if states[start] > 0 else "apart"
            if (start, stop) == (0, len(states)):
                when = "always"
            elif start == 0:
                when = f"to {lasts[stop - 1]:,}"
            elif stop == len(states):
                when = f"from {firsts[start]:,}"
            elif firsts[start] == lasts[stop - 1]:
                when = f"at {firsts[start]:,}"
            else:
                when = f"{firsts[start]:,} to {lasts[stop - 1]:,}"
            spans.append(f"{sign} {when}")
    return ", ".join(spans)
