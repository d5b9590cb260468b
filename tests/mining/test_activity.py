"""When pairs are active: at which thresholds, over which parts or steps, and in words."""

from __future__ import annotations

import numpy as np
import pytest

from obrl import count_pairs
from obrl.history import History
from obrl.measures import MEASURES
from obrl.mining import RelationMiner
from obrl.mining.changes.activity import (
    DEFAULT_THRESHOLDS,
    active_states,
    first_of_each,
    limits,
    limits_in_words,
    when_active,
)
from tests.mining.test_compare import drawn
from tests.mining.test_history import snapshots


def test_when_pairs_are_active() -> None:
    history = snapshots(thresholds=None)
    i, j = np.array([0, 0]), np.array([1, 2])
    values = history.relation[:, i, j]
    for thresholds, (high, low) in ((None, (0.8, 0.2)), ((0.6, 0.56), (0.6, 0.56))):
        states = active_states(history, thresholds, i, j)
        assert np.array_equal(states == 1, values >= high)
        assert np.array_equal(states == -1, values <= low)
    stored = snapshots(thresholds=(0.6, 0.56))
    assert np.array_equal(active_states(stored, None, i, j), states)
    assert {1, -1} <= set(states[:, 0].tolist())


def test_a_pair_without_rows_is_as_before() -> None:
    """In the second part one label is constant; in the third they exclude each other."""
    table = np.zeros((120, 2))
    table[:40:2] = 1
    table[40:80] = [1, 0]
    table[80::2] = [0, 1]
    table[81::2] = [1, 0]
    states = active_states(history_of_two(table), (0.7, 0.3), np.array([0]), np.array([1]))
    assert states[:, 0].tolist() == [1, 1, -1]


def history_of_two(table: np.ndarray) -> History:
    counts = [count_pairs(part) for part in np.array_split(table, 3)]
    fields = [np.stack(field) for field in zip(*counts, strict=True)]
    return History.from_counts([40, 80, 120], type(counts[0])(*fields))


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([0, 0, 0, 0], ""),
        ([1, 1, 1, 1], "together always"),
        ([-1, 0, 0, 0], "apart to 1,000"),
        ([0, 1, 0, 1], "together 1,001 to 2,000, together from 3,001"),
        ([0, 0, 1, -1], "together 2,001 to 3,000, apart from 3,001"),
    ],
)
def test_states_in_words(states: list[int], words: str) -> None:
    """A part of a table is named by its first and its last row, a snapshot by its step."""
    ends = 1_000 * np.arange(1, 5)
    of_table, of_run = history_of_two(np.eye(2)[np.arange(120) % 2]), snapshots(thresholds=None)
    assert first_of_each(of_table).tolist() == [1, 41, 81]
    assert np.array_equal(first_of_each(of_run), of_run.steps)
    assert when_active(np.array(states, np.int8), ends - 999, ends) == words


def test_a_single_snapshot_is_no_span() -> None:
    assert when_active(np.array([1, 0, -1, 0], np.int8), *[np.arange(1, 5)] * 2) == "together to 1, apart at 3"


def test_a_missing_threshold_is_the_run_s_or_the_default() -> None:
    stored, without = snapshots(thresholds=(0.7, 0.4)), snapshots(thresholds=None)
    assert (limits(stored, (0.75, np.nan)) == (0.75, 0.4)).all()
    assert (limits(stored, (np.nan, 0.1)) == (0.7, 0.1)).all()
    assert (limits(without, (0.75, np.nan)) == (0.75, 0.2)).all()
    assert limits_in_words(stored, None) == "the thresholds of the run on the scale of unit_pearson"
    assert limits_in_words(stored, (0.75, np.nan)) == "unit_pearson >= 0.75 or <= 0.4"
    assert limits_in_words(without, None) == "unit_pearson >= 0.8 or <= 0.2"
    assert limits_in_words(snapshots("jaccard", None), (0.75, np.nan)) == "jaccard >= 0.75"


def test_the_defaults_of_every_measure_are_the_same_phi() -> None:
    for measure, (high, low) in DEFAULT_THRESHOLDS.items():
        to_phi = MEASURES[measure].to_phi
        assert to_phi is not None
        assert (to_phi(high), to_phi(low)) == pytest.approx((0.6, -0.6))
    i, j = np.triu_indices(5, 1)
    table = drawn(2_000, 0)
    table[:, 1] = 1 - table[:, 0]
    for parts in (2, 8):
        states = [
            active_states(RelationMiner(history=parts, measure=measure).fit(table).history_, None, i, j)
            for measure in ("unit_pearson", "pearson", "jaccard")
        ]
        assert np.array_equal(states[0], states[1])
        assert (states[0][:, 0] == -1).all()
        assert not states[0][:, 1:].all()
        assert not states[2].any()
