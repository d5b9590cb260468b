"""What changed between two tables: statistics, alignment, words, labels that were turned round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import test_proportions_2indep as two_proportions

from obrl import OnlineBatchRelation
from obrl.mining import MiningError, MiningWarning, RelationMiner, TableComparison, compare
from obrl.mining.changes.drift import comparison_drift
from obrl.mining.changes.tails import chi_square_test, normal_test

NAMES = ("hat", "cap", "beard", "moustache", "smile")


def drawn(rows: int, seed: int, labels: int = 5) -> np.ndarray:
    """Labels that share a hidden cause, so that all are related."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(rows, 1))
    return (cause + rng.normal(size=(rows, labels)) > np.linspace(0, 1.6, labels)).astype(float)


def mined(table: np.ndarray, names: tuple[str, ...] | None = NAMES, **arguments: Any) -> RelationMiner:
    return RelationMiner(label_names=names).fit(table, **arguments)


def cells(table: np.ndarray, i: int, j: int) -> np.ndarray:
    """The fourfold table of two labels, over the rows that know both."""
    known = table[~np.isnan(table[:, [i, j]]).any(axis=1)]
    a, b = known[:, i], known[:, j]
    return np.array([[a @ b, a @ (1 - b)], [(1 - a) @ b, (1 - a) @ (1 - b)]])


def phi_of(shares: np.ndarray) -> float:
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    return float(np.linalg.det(shares) / np.sqrt(rows.prod() * columns.prod()))


def variance_by_differences(shares: np.ndarray, rows: float) -> float:
    """The delta method with a numerical gradient."""
    step, gradient = 1e-6, np.zeros((2, 2))
    for cell in np.ndindex(2, 2):
        change = np.zeros((2, 2))
        change[cell] = step
        gradient[cell] = (phi_of(shares + change) - phi_of(shares - change)) / (2 * step)
    mean = (shares * gradient).sum()
    return float((shares * gradient**2).sum() - mean**2) / rows


def with_phi(table: np.ndarray, phi: float) -> np.ndarray:
    """A fourfold table of the same margins with this phi."""
    rows, columns, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    both = (rows[0] * columns[0] + phi * np.sqrt(rows.prod() * columns.prod())) / total
    return np.array([[both, rows[0] - both], [columns[0] - both, rows[1] - columns[0] + both]])


def test_the_tails_are_scipys() -> None:
    x = np.array([0, 1e-3, 0.5, 3, 40, 300, 900, np.nan])
    assert np.allclose(normal_test(-x[:6]), 2 * stats.norm.sf(x[:6]), rtol=1e-12, atol=0)
    for degrees in (1, 2, 3, 8, 31, 63, 128):
        assert np.allclose(chi_square_test(x, degrees), stats.chi2.sf(x, degrees), rtol=1e-11, atol=0, equal_nan=True)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_every_number_of_independent_rows(missing: float) -> None:
    a, b = drawn(400, 0), drawn(900, 1)
    b[:, 1] = np.where(np.random.default_rng(2).random(900) < 0.5, 1 - b[:, 1], b[:, 1])
    for table in (a, b):
        table[np.random.default_rng(3).random(table.shape) < missing] = np.nan
    result = compare(mined(a), mined(b))
    assert len(result) == 10
    assert not result.grouped
    for at, (i, j) in enumerate(zip(result.i.tolist(), result.j.tolist(), strict=True)):
        tables = [cells(table, i, j) for table in (a, b)]
        phis, totals = [phi_of(table) for table in tables], [table.sum() for table in tables]
        assert (result.phi_a[at], result.phi_b[at]) == pytest.approx(phis)
        assert (result.samples_a[at], result.samples_b[at]) == tuple(totals)
        assert (result.both_a[at], result.both_b[at]) == tuple(table[0, 0] for table in tables)
        common = np.average(phis, weights=totals)
        wald, score = (
            sum(variance_by_differences((t + 0.5) / (t.sum() + 2), t.sum() + 2) for t in which)
            for which in (tables, [with_phi(table, common) for table in tables])
        )
        z = (phis[1] - phis[0]) / np.sqrt(max(wald, score))
        assert result.z[at] == pytest.approx(z, rel=1e-5)
        assert result.p[at] == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-3)
        reach = stats.norm.ppf(0.975) * np.sqrt(max(wald, score))
        assert result.delta_high[at] == pytest.approx(phis[1] - phis[0] + reach, rel=1e-4)
        odds = [Table2x2(table + 0.5) for table in tables]
        assert (result.log_odds_a[at], result.log_odds_b[at]) == pytest.approx([each.log_oddsratio for each in odds])
        change = odds[1].log_oddsratio - odds[0].log_oddsratio
        p = 2 * stats.norm.sf(abs(change) / np.hypot(*(each.log_oddsratio_se for each in odds)))
        assert result.log_odds_p[at] == pytest.approx(p)
    assert result.supported.all()
    assert np.allclose(result.q, stats.false_discovery_control(result.p))
    by = compare(mined(a), mined(b), correction="by")
    assert np.allclose(by.q, stats.false_discovery_control(result.p, method="by"))
    assert result.changed().tolist() == [{i, j} & {1} != set() for i, j in zip(result.i, result.j, strict=True)]
    assert (np.diff(result.at_least[result.order()]) <= 0).all()


def test_prevalence_is_that_of_statsmodels() -> None:
    a, b = drawn(500, 0), drawn(700, 1)
    b[:, 4] = np.random.default_rng(5).random(700) < 0.5
    result = compare(mined(a), mined(b))
    assert (result.rates_a.tolist(), result.rates_b.tolist()) == (a.mean(axis=0).tolist(), b.mean(axis=0).tolist())
    p = [two_proportions(b[:, k].sum(), 700, a[:, k].sum(), 500, method="wald").pvalue for k in range(5)]
    assert np.allclose(result.rates_q, stats.false_discovery_control(p), rtol=0.05)
    assert result.labels_changed().tolist() == [False] * 4 + [True]


def in_groups(groups: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Related labels of people whose rows are mostly alike."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    person = drawn(groups, seed)[group]
    return np.where(rng.random(person.shape) < 0.9, person, 1 - person), group


def test_groups_take_the_jackknife_and_students_t() -> None:
    (a, people_a), (b, people_b) = in_groups(300, 6, 0), in_groups(200, 6, 1)
    plain = compare(mined(a), mined(b))
    result = compare(mined(a, groups=people_a), mined(b, groups=people_b))
    assert result.grouped
    assert "by groups" in str(result)
    assert (np.abs(result.z) <= np.abs(plain.z)).all()
    assert np.median(np.abs(result.z / plain.z)) < 0.8
    for miner, table, people in ((mined(a, groups=people_a), a, people_a), (mined(b, groups=people_b), b, people_b)):
        pairs = miner.pairs()
        assert np.isfinite(pairs.standard_error).all()
        assert len(table) == len(people)
    # Welch's t: its degrees lie between those of the smaller side and of both sides together.
    at = np.abs(result.z) > 0.5
    low, high = (2 * stats.t.sf(np.abs(result.z), degrees) for degrees in (31, 62))
    assert ((result.p <= low) & (result.p >= high))[at].all()


def test_one_side_with_groups() -> None:
    (a, people), b = in_groups(300, 6, 0), in_groups(300, 6, 1)[0]
    both = compare(mined(a), mined(b))
    result = compare(mined(a, groups=people), mined(b))
    assert result.grouped
    assert (np.abs(result.z) <= np.abs(both.z)).all()


def test_groups_that_cannot_be_used_are_said() -> None:
    a = drawn(100, 0)
    with pytest.warns(MiningWarning, match="all rows in a single group"):
        half = compare(mined(a, groups=np.zeros(100)), mined(a, groups=np.arange(100)))
    assert half.grouped
    with pytest.warns(MiningWarning, match="all rows in a single group"):
        none = compare(mined(a, groups=np.zeros(100)), mined(a, groups=np.zeros(100)))
    assert not none.grouped
    assert "by groups" not in str(none)
    with pytest.warns(MiningWarning, match="rest on 10 groups alone"):
        compare(mined(a, groups=np.arange(100) % 10), mined(a))


def test_a_pair_that_stopped_is_supported_and_one_that_was_never_clear_is_not() -> None:
    """Rare labels that always came together and no longer do: few joint rows are expected of them by chance."""
    a, b = np.zeros((10_000, 4)), np.zeros((10_000, 4))
    a[:60, :2] = 1
    b[:60, 0] = b[60:120, 1] = 1
    a[100:103, 2:] = b[100:103, 2] = b[110:113, 3] = 1
    result = compare(mined(a, None), mined(b, None))
    assert result.changed().tolist() == [True] + [False] * 5
    assert result.supported.tolist() == [True] + [False] * 5
    assert np.isnan(result.q[1:]).all()


def test_labels_in_another_order_are_matched_by_name() -> None:
    a, b = drawn(400, 0), drawn(400, 1)
    expected = compare(mined(a), mined(b))
    order = [3, 0, 4, 1, 2]
    other = mined(b[:, order], tuple(NAMES[k] for k in order), groups=np.arange(400))
    result = compare(mined(a), other)
    assert np.array_equal(result.delta, expected.delta)
    assert np.array_equal(result.rates_b, expected.rates_b)
    assert result.label_names == NAMES
    chosen = compare(mined(a), other, labels=["smile", "hat"])
    assert chosen.label_names == ("smile", "hat")
    assert chosen.delta == pytest.approx(expected.delta[(expected.i == 0) & (expected.j == 4)])
    counts = compare(mined(a).table_counts_, mined(b).table_counts_)
    assert np.array_equal(counts.q, expected.q)


@pytest.mark.parametrize(
    ("names", "labels", "words"),
    [
        (("hat", "cap", "beard", "moustache", "frown"), None, "only A has “smile” and only B has “frown”; .*--labels"),
        (NAMES, ["hat", "scarf"], "A has no “scarf”; it has “hat”"),
        (("hat", "cap", "beard", "moustache", "frown"), ["hat", "smile"], "B has no “smile”"),
        (NAMES, ["hat", "hat", "cap"], "expected each label once, got “hat” more than once"),
        (NAMES, [], "expected at least two, as pairs are compared, got none"),
        (NAMES, ["hat"], "expected at least two, as pairs are compared, got “hat”"),
    ],
)
def test_labels_that_cannot_be_matched(names: Any, labels: Any, words: str) -> None:
    with pytest.raises(MiningError, match=words):
        compare(mined(drawn(50, 0)), mined(drawn(50, 1), names), labels=labels)


def test_other_arguments_that_cannot_be_compared() -> None:
    miner = mined(drawn(50, 0))
    with pytest.raises(TypeError, match="b must be a RelationMiner, TableCounts or a relation, got ndarray"):
        compare(miner, drawn(50, 0))  # type: ignore[arg-type]
    for labels in ("hat", [0, 1]):
        with pytest.raises(TypeError, match="labels must be a sequence of label names, got"):
            compare(miner, miner, labels=labels)  # type: ignore[arg-type]
    with pytest.raises(MiningError, match="call fit first"):
        compare(RelationMiner(), miner)
    with pytest.raises(ValueError, match="correction must be one of 'bh', 'by'"):
        compare(miner, miner, correction="none")
    with pytest.raises(MiningError, match="as many labels, got 5 and 3"):
        compare(mined(drawn(50, 0), None), mined(drawn(50, 0)[:, :3], None))
    with pytest.raises(MiningError, match="where a side has names, but none has"):
        compare(mined(drawn(50, 0), None), mined(drawn(50, 0), None), labels=["hat", "cap"])
    with pytest.raises(MiningError, match="a: measure must be"):
        compare(OnlineBatchRelation(5, measure="jaccard", label_names=NAMES), miner)


def test_relations_without_counts_have_a_difference_and_no_test(tmp_path: Any) -> None:
    a, b = (OnlineBatchRelation(5, decay=0.9, label_names=NAMES).update(drawn(500, seed)) for seed in (0, 1))
    a.save(tmp_path / "a.npz")
    result = compare(RelationMiner.load(tmp_path / "a.npz"), b)
    assert not result.tested
    i, j = np.triu_indices(5, 1)
    assert np.allclose(result.delta, 2 * (b.relation - a.relation)[i, j])
    assert np.isnan(result.q).all()
    assert not result.changed().any()
    assert "no test: at least one side holds no counts" in str(result)
    with_counts = compare(mined(drawn(500, 0)), b)
    assert not with_counts.tested
    assert np.isfinite(with_counts.rates_a).all()
    assert with_counts.delta == pytest.approx(compare(a, b).delta)
    assert comparison_drift(result).columns == ("label", "label", "phi A", "phi B", "delta")


@pytest.mark.parametrize("rows", [1, 2])
def test_tables_of_few_rows_say_nothing(rows: int) -> None:
    result = compare(mined(drawn(rows, 0)), mined(drawn(300, 1)))
    assert not result.supported.any()
    fixed = int(np.isnan(result.phi_a).sum())
    lacking = f"; {10 - fixed} have too few rows to say" if fixed < 10 else ""
    words = f"0 of 10 pairs changed (q <= 0.05); {fixed} have a label that is constant in A or B{lacking}"
    assert words in str(result).splitlines()


def test_a_rare_label_that_is_missing_in_few_rows_has_not_become_constant() -> None:
    a, b = drawn(2_000, 0), drawn(50, 1)
    a[:, 2] = np.arange(2_000) < 4
    b[:, 2] = 0
    result = compare(mined(a), mined(b))
    assert not result.constant().any()
    assert "cannot be compared" not in str(result)
    assert "4 have a label that is constant in A or B" in str(result)
    always = np.where(np.arange(5) == 2, 1, a)
    assert compare(mined(a), mined(always)).constant().tolist() == [
        2 in pair for pair in zip(result.i, result.j, strict=True)
    ]
    assert not compare(mined(always), mined(always)).constant().any()


def test_labels_that_are_never_known_together_have_too_few_rows() -> None:
    b = drawn(400, 1)
    b[:200, 0] = b[200:, 1] = np.nan
    result = compare(mined(drawn(400, 0)), mined(b))
    assert "; 1 has too few rows to say" in str(result)


def test_the_summary_says_how_prevalence_moved() -> None:
    rng = np.random.default_rng(0)
    sides = []
    for share in (0.5, 0.06):  # the same odds ratio
        x = rng.random(20_000) < share
        y = rng.random(20_000) < np.where(x, 0.8, 0.2)
        sides.append(mined(np.column_stack([x, y, rng.random(20_000) < 0.4]), ("hat", "cap", "smile")))
    result = compare(*sides)
    text = str(result)
    assert "A: 20,000 rows; B: 20,000 rows; 3 labels" in text
    assert "1 of 3 pairs changed (q <= 0.05): 1 is weaker in B\n" in text
    assert "prevalence changed for 2 of 3 labels (q <= 0.05): hat from 49.7 % to 5.8 %" in text
    assert "phi moves with prevalence alone: 1 of the changed pairs" in text
    assert "hat 49.7 % -> 5.8 %, cap 50.0 % -> 24.0 %, odds ratio alike" in text
    drift = comparison_drift(result)
    assert drift.rows[0][:2] == ("hat", "cap")
    assert len(drift.rows) == 1
    assert drift.note.startswith("A: 20,000 rows")
    assert isinstance(result, TableComparison)
