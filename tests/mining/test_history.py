"""The relation over the parts of a table and over a run: its parts, Cochran's Q, active pairs, the commands."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from obrl import OnlineBatchRelation, PairCounts, count_pairs
from obrl.history import History
from obrl.mining import MiningError, RelationMiner
from obrl.mining.changes.comparison_words import percent
from obrl.mining.changes.drift import history_drift
from obrl.mining.changes.over_time import over_time
from obrl.mining.changes.over_time_words import summary
from obrl.mining.counting import full_counts
from tests.mining.test_compare import NAMES, drawn, phi_of, variance_by_differences, with_phi


def drifting(rows: int, seed: int = 0) -> np.ndarray:
    """Five labels, of which the second loses its relation to the others over the rows."""
    table, rng = drawn(rows, seed), np.random.default_rng(seed + 1_000)
    table[:, 1] = np.where(rng.random(rows) < np.linspace(0, 1, rows), rng.random(rows) < 0.4, table[:, 1])
    return table


def history_of(table: Any, parts: int, **arguments: Any) -> History:
    return RelationMiner(history=parts, label_names=NAMES).fit(table, **arguments).history_


@pytest.mark.parametrize("parts", [2, 5, 32])
@pytest.mark.parametrize("blocks", [[1] * 40, [640], [7, 300, 1, 1, 1000, 64], [33], [193], [1]])
def test_parts_are_consecutive_and_stay_between_n_and_twice_n(parts: int, blocks: list[int]) -> None:
    rows = sum(blocks)
    table = drawn(rows, 0)
    table[np.random.default_rng(0).random(table.shape) < 0.1] = np.nan
    miner = RelationMiner(history=parts)
    for start, size in zip(np.cumsum([0, *blocks[:-1]]).tolist(), blocks, strict=True):
        miner.partial_fit(table[start : start + size])
    history = miner.history_
    assert min(parts, rows) <= len(history) <= 2 * parts
    assert history.steps[-1] == rows
    assert history.counts is not None
    for number, (start, stop) in enumerate(zip([0, *history.steps[:-1].tolist()], history.steps.tolist(), strict=True)):
        expected = count_pairs(table[start:stop])
        part = full_counts(PairCounts(*(field[number] for field in history.counts)))
        assert all(np.array_equal(*fields) for fields in zip(part, expected, strict=True))
    sizes = np.diff(history.steps, prepend=0)
    assert (sizes[:-2] == sizes[0]).all()
    assert all(field.dtype == np.int32 for field in history.counts)
    assert np.array_equal(miner.counts_.s, count_pairs(table).s)


def test_the_parts_with_groups_are_still_consecutive() -> None:
    table, people = drawn(300, 0), np.arange(300) // 3
    plain, grouped = history_of(table, 4), history_of(table, 4, groups=people)
    assert plain.error_ratio is None
    assert grouped.error_ratio is not None
    assert (grouped.error_ratio >= 1).all()
    assert np.array_equal(plain.steps, grouped.steps)
    assert plain.counts is not None
    assert grouped.counts is not None
    assert np.array_equal(plain.counts.s, grouped.counts.s)
    assert ", by groups)" in str(over_time(grouped))


def test_prevalence_that_changed_between_the_halves_is_told_from_chance() -> None:
    still = drawn(2_000, 1)
    unchanged = "no label changed its prevalence from the first to the second half of the parts (q <= 0.05)"
    assert unchanged in str(over_time(history_of(still, 4)))
    moved = still.copy()
    moved[1_000:, 2] = np.random.default_rng(0).random(1_000) < 0.7
    before, after = moved[:1_000, 2].mean(), moved[1_000:, 2].mean()
    words = "prevalence changed from the first to the second half of the parts for 1 of 5 labels (q <= 0.05): beard "
    assert f"{words}from {percent(before)} to {percent(after)}\n" in str(over_time(history_of(moved, 4)))
    # A label that few people have, many times each.
    people = np.repeat(np.arange(20), 100)
    of_few = still.copy()
    of_few[:, 4] = np.isin(people, [1, 2, 3, 4, 15])
    assert "smile from 40.0 % to 10.0 %" in str(over_time(history_of(of_few, 4)))
    assert "smile" not in str(over_time(history_of(of_few, 4, groups=people))).split("active")[0]


def test_a_drift_of_a_table_is_in_phi_whatever_the_measure() -> None:
    expected = history_drift(history_of(drifting(6_000), 4))
    for measure in ("matching", "conditional"):
        miner = RelationMiner(history=4, measure=measure, label_names=NAMES).fit(drifting(6_000))
        drift = history_drift(miner.history_)
        assert drift.series == expected.series
        assert [row[:9] for row in drift.rows] == [row[:9] for row in expected.rows]
        assert drift.columns == expected.columns[:-1]  # nothing says when pairs are active
        assert f"No thresholds on the scale of {measure} are known" in drift.note
        active = summary(over_time(miner.history_), thresholds=(0.9, 0.1))
        assert f"active at {measure} >= 0.9 or <= 0.1: " in active
        assert "q  " in active


@pytest.mark.parametrize("measure", ["unit_pearson", "conditional", "jaccard"])
def test_the_relation_of_some_pairs_is_that_of_all(measure: str) -> None:
    i, j = np.array([0, 3, 1]), np.array([2, 1, 1])
    table = RelationMiner(history=4, measure=measure, label_names=NAMES).fit(drifting(600)).history_
    for history in (table, snapshots(measure)):
        for position in range(len(history)):
            assert np.array_equal(history.at(position, i, j), history.relation[position, i, j], equal_nan=True)


def test_words_and_charts_compute_no_matrices_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = history_of(drifting(600), 4), snapshots()
    monkeypatch.delattr(History, "relation")
    for history in histories:
        assert history_drift(history).title
        assert "active" in str(over_time(history))


def test_the_setting_of_the_miner() -> None:
    miner = RelationMiner(history=3)
    assert miner.get_params()["history"] == 3
    for wrong in (1, 2.0, True):
        with pytest.raises(ValueError, match=f"history must be a whole number of at least 2, or None, got {wrong}"):
            RelationMiner(history=wrong).fit(drawn(5, 0))  # type: ignore[arg-type]
    with pytest.raises(MiningError, match="no history was mined: fit a RelationMiner"):
        _ = RelationMiner().fit(drawn(5, 0)).history_
    with pytest.raises(MiningError, match="call fit first"):
        _ = miner.history_
    with pytest.raises(MiningError, match=r"at most 2,000 labels, .* got 2,001"):
        RelationMiner(history=2).fit(np.eye(2_001, dtype=np.int8)[:5])


def test_cochrans_q_is_that_of_statsmodels() -> None:
    table = drifting(6_000)
    history = history_of(table, 4)
    result = over_time(history)
    bounds = [0, *history.steps.tolist()]
    assert len(history) == 8
    assert result.supported.all()
    for at, (i, j) in enumerate(zip(result.i.tolist(), result.j.tolist(), strict=True)):
        tables = []
        for start, stop in pairwise(bounds):
            a, b = table[start:stop, i], table[start:stop, j]
            tables.append(np.array([[a @ b, a @ (1 - b)], [(1 - a) @ b, (1 - a) @ (1 - b)]]))
        phis, pooled = np.array([phi_of(each) for each in tables]), phi_of(sum(tables))
        shares = [(with_phi(each, pooled) + 0.5) / (each.sum() + 2) for each in tables]
        variances = [variance_by_differences(s, t.sum() + 2) for s, t in zip(shares, tables, strict=True)]
        expected = combine_effects(phis, np.array(variances)).q
        assert result.statistic[at] == pytest.approx(expected, rel=1e-5)
        assert result.degrees[at] == len(tables) - 1
        assert result.p[at] == pytest.approx(stats.chi2.sf(expected, len(tables) - 1), rel=1e-4)
        assert (result.first[at], result.last[at]) == pytest.approx((phis[0], phis[-1]))
        assert (result.least[at], result.greatest[at]) == pytest.approx((phis.min(), phis.max()))
    assert np.allclose(result.q, stats.false_discovery_control(result.p))
    by = over_time(history, correction="by")
    assert np.allclose(by.q, stats.false_discovery_control(result.p, method="by"))
    assert result.drifts().tolist() == [{i, j} & {1} != set() for i, j in zip(result.i, result.j, strict=True)]
    assert (np.diff(result.range[result.order()]) <= 0).all()


def test_groups_widen_the_variance() -> None:
    table, people = np.repeat(drawn(200, 0), 5, axis=0), np.repeat(np.arange(200), 5)
    plain, grouped = over_time(history_of(table, 4)), over_time(history_of(table, 4, groups=people))
    ratio = history_of(table, 4, groups=people).error_ratio
    assert ratio is not None
    assert np.allclose(grouped.statistic, plain.statistic / ratio[plain.i, plain.j] ** 2, rtol=1e-5)
    assert plain.drifts().sum() > grouped.drifts().sum() == 0


def test_rare_pairs_are_tested_over_larger_parts() -> None:
    """Sixty joint rows in the first half and none in the second are too few for 32 parts, and enough for few."""
    table = np.zeros((6_400, 3))
    table[:3_200:53, :2] = 1
    table[3_200::53, 0] = table[3_201::53, 1] = 1
    table[::100, 2] = 1
    result = over_time(RelationMiner(history=32).fit(table).history_)
    assert result.drifts().tolist() == [True, False, False]
    assert result.supported.tolist() == [True, False, False]
    assert 1 <= result.degrees[0] < 31
    assert np.isnan(result.q[1:]).all()
    assert "2 have too few rows to say" in str(result)


@pytest.mark.parametrize("parts", [2, 3, 5, 6, 7, 8, 9, 11])
def test_rare_pairs_are_tested_with_any_number_of_parts(parts: int) -> None:
    """Twelve joint rows in the first half and none in the second, which halves of the rows suffice to see."""
    table = np.zeros((1_200, 2), np.int8)
    table[:600:50] = 1
    table[600::50, 0] = table[601::50, 1] = 1
    result = over_time(RelationMiner(history=parts).fit(table).history_)
    assert result.supported.all()
    assert result.drifts().all()
    assert result.degrees.tolist() == [1]


def test_a_label_that_comes_late_is_judged_where_it_occurs() -> None:
    table = drawn(2_000, 0)
    table[:1_000, 1] = 0
    result = over_time(history_of(table, 4))
    pair = int(np.flatnonzero((result.i == 0) & (result.j == 1))[0])
    assert result.supported[pair]
    assert not result.drifts()[pair]
    assert result.degrees[pair] == (history_of(table, 4).steps > 1_000).sum() - 1


def snapshots(measure: str = "unit_pearson", thresholds: tuple[float, float] | None = (0.7, 0.3)) -> History:
    """A run over rows in which the second label loses its relation."""
    relation, history = OnlineBatchRelation(5, decay=0.8, measure=measure, label_names=NAMES), History(measure=measure)
    for step, rows in enumerate(np.array_split(drifting(3_000), 30)):
        relation.update(rows)
        if step % 3 == 2:
            history.append(10 * step, relation, thresholds)
    return history


def test_a_run_has_values_and_no_test() -> None:
    history = snapshots()
    result = over_time(history)
    phi = 2 * history.relation.astype(np.float64)[:, result.i, result.j] - 1
    assert result.scale == "phi"
    assert np.allclose(result.first, phi[0])
    assert np.allclose(result.last, phi[-1])
    assert np.allclose(result.range, np.ptp(phi, axis=0))
    assert not result.tested
    assert not result.drifts().any()
    text = str(result)
    assert "10 snapshots from step 20 to 290; 5 labels" in text
    assert "no test: snapshots of one run depend on each other" in text
    assert "active at the thresholds of the run" in text
    assert result.order()[0] in np.flatnonzero((result.i == 1) | (result.j == 1))


def test_a_measure_without_phi_has_its_own_scale_and_one_with_a_direction_every_pair() -> None:
    result = over_time(snapshots("conditional"))
    assert result.scale == "conditional"
    assert len(result) == 20
    assert "first conditional" in str(result)
    assert over_time(snapshots("jaccard")).scale == "jaccard"


def test_pairs_that_are_never_defined() -> None:
    history = History()
    relation = OnlineBatchRelation(2)
    for step in range(3):
        history.append(step, relation.update([[1, 0], [1, 1]]))
    result = over_time(history)
    assert np.isnan([result.first[0], result.last[0], result.least[0], result.greatest[0]]).all()
    with pytest.raises(ValueError, match="at least one step, got none"):
        over_time(History())


def test_a_drift_has_lines_for_the_pairs_that_moved_furthest() -> None:
    history = history_of(drifting(6_000), 4)
    drift = history_drift(history)
    assert drift.title == "The relation over the rows"
    assert drift.columns == (
        "label",
        "label",
        "first phi",
        "last",
        "least",
        "greatest",
        "Q",
        "df",
        "q",
        "active (rows)",
    )
    assert len(drift.rows) == len(drift.series) == 4
    assert drift.steps == tuple(history.steps.tolist())
    name, values = drift.series[0]
    i, j = (NAMES.index(label) for label in drift.rows[0][:2])
    assert name == f"{NAMES[i]} and {NAMES[j]}"
    assert np.allclose(values, 2 * history.relation[:, i, j] - 1, atol=1e-6)
    assert drift.note.startswith(f"6,000 rows in {len(history)} parts; 5 labels. 4 of 10 pairs drift")
    run = history_drift(snapshots())
    assert run.title == "The relation over the steps"
    assert run.columns[-1] == "active (steps)"
    assert (drift.step, run.step) == ("Last row", "Step")
    assert len(run.series) == 8
    still = history_drift(history_of(drawn(400, 3), 2))
    assert (still.rows, still.steps, still.series) == ((), (), ())
