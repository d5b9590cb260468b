"""All pairs of a table: tests, intervals, support and order, for independent rows and for rows in groups."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from scipy import stats

from obrl.mining import MiningWarning
from obrl.mining.accumulate import TableCounter, TableCounts
from obrl.mining.blocks import MISSING, DenseLabels
from obrl.mining.jackknife import jackknife
from obrl.mining.pair_table import pair_table
from obrl.mining.result_tables import pair_rows
from obrl.mining.student import t_quantile, t_test


def count(table: np.ndarray, groups: np.ndarray | None = None, *, blocks: int = 1) -> TableCounts:
    """The counts of a table whose NaN are missing."""
    counter = TableCounter(table.shape[1], grouped=groups is not None)
    for rows in np.array_split(np.arange(len(table)), blocks):
        known = ~np.isnan(table[rows])
        codes = np.where(known, table[rows], MISSING).astype(np.int8).T.copy()
        counter.add(DenseLabels(codes, bool(known.all())), None if groups is None else groups[rows])
    return counter.result()


def drawn(rows: int = 320, labels: int = 5, *, missing: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = (rng.random((rows, labels)) < np.linspace(0.2, 0.6, labels)).astype(float)
    table[:, 1] = np.where(rng.random(rows) < 0.8, table[:, 0], table[:, 1])
    table[rng.random(table.shape) < missing] = np.nan
    return table


def in_groups(groups: int, rows: int, labels: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unrelated labels of groups whose rows are mostly alike."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    person = rng.random((groups, labels)) < 0.3
    table = np.where(rng.random((len(group), labels)) < 0.9, person[group], rng.random((len(group), labels)) < 0.3)
    return table.astype(float), group


def phi_of(table: np.ndarray, i: int, j: int) -> float:
    known = ~np.isnan(table[:, [i, j]]).any(axis=1)
    return float(np.corrcoef(table[known, i], table[known, j])[0, 1])


def test_students_t_is_scipys() -> None:
    rng = np.random.default_rng(0)
    degrees = rng.integers(1, 300, 2_000)
    t = rng.standard_t(2, 2_000) * 3
    assert np.allclose(t_test(t, degrees), 2 * stats.t.sf(np.abs(t), degrees), rtol=1e-10, atol=0)
    assert np.array_equal(t_test([np.inf, -np.inf, np.nan, 0.0], 3), [0, 0, np.nan, 1], equal_nan=True)
    assert np.allclose(t_quantile(0.95, np.arange(1, 60)), stats.t.ppf(0.975, np.arange(1, 60)), rtol=1e-12)


def test_the_jackknife_leaves_out_one_part_at_a_time() -> None:
    """For parts of equal size: the textbook's formula on the phi of the other rows."""
    table = drawn(320)
    counts = count(table)
    result = jackknife(counts, np.array([0, 1]), np.array([1, 3]))
    assert result is not None
    for at, (i, j) in enumerate(((0, 1), (1, 3))):
        left = np.array(
            [phi_of(np.delete(table, slice(start, start + 10), axis=0), i, j) for start in range(0, 320, 10)]
        )
        assert result.phi[at] == pytest.approx(phi_of(table, i, j), abs=1e-12)
        assert result.standard_error[at] == pytest.approx(
            np.sqrt(31 / 32 * np.sum((left - left.mean()) ** 2)), rel=1e-9
        )
    assert result.degrees.tolist() == [31, 31]


def test_the_jackknife_of_parts_of_unequal_size_with_missing_labels() -> None:
    """Delete-m_j, as published: pseudo-values h phi - (h - 1) phi without the part."""
    table = drawn(400, missing=0.3, seed=1)
    groups = np.random.default_rng(2).integers(0, 9, 400) ** 2
    counts = count(table, groups)
    result = jackknife(counts, np.array([0]), np.array([1]))
    assert result is not None
    known = ~np.isnan(table[:, :2]).any(axis=1)
    assert counts.groups is not None
    assert counts.groups.n[:, 0, 1].sum() == known.sum()
    hashed = [zlib.crc32(str(group).encode()) % 32 for group in groups.tolist()]
    parts = [(np.array(hashed) == part) for part in sorted(set(hashed))]
    phi, n = phi_of(table, 0, 1), known.sum()
    h = np.array([n / (known & part).sum() for part in parts])
    without = np.array([phi_of(table[~part], 0, 1) for part in parts])
    pseudo = h * phi - (h - 1) * without
    centre = len(h) * phi - np.sum((1 - 1 / h) * without)
    variance = np.mean((pseudo - centre) ** 2 / (h - 1))
    assert result.standard_error[0] == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert result.degrees[0] == len(h) - 1


def test_a_label_in_a_single_group_says_nothing() -> None:
    table, groups = in_groups(40, 10, 3, seed=0)
    table[:, 2] = groups == 7
    table[groups == 7, :2] = np.random.default_rng(0).random((10, 2)) < 0.5
    pairs = pair_table(count(table, groups))
    assert np.isnan(pairs.p).tolist() == [False, True, True]
    assert np.isnan(pairs.q).tolist() == [False, True, True]
    assert not np.isnan(pairs.phi).any()
    assert not pairs.supported[1:].any()


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_pairs_of_independent_rows(missing: float) -> None:
    table = drawn(missing=missing)
    pairs = pair_table(count(table, blocks=3))
    assert not pairs.grouped
    assert len(pairs) == 10
    for at, (i, j) in enumerate(zip(pairs.i, pairs.j, strict=True)):
        known = ~np.isnan(table[:, [i, j]]).any(axis=1)
        a, b = table[known, i], table[known, j]
        assert pairs.phi[at] == pytest.approx(phi_of(table, i, j), abs=1e-12)
        assert (pairs.samples[at], pairs.both[at]) == (known.sum(), a @ b)
        assert pairs.expected[at] == pytest.approx(a.sum() * b.sum() / known.sum())
        null = stats.hypergeom(known.sum(), int(a.sum()), int(b.sum()))
        upper = null.sf(a @ b) + null.pmf(a @ b) / 2
        assert pairs.p[at] == pytest.approx(2 * min(upper, 1 - upper), rel=1e-8)
        assert pairs.sign[at] == np.sign(pairs.phi[at])
        assert pairs.lower[at] == (pairs.phi_low[at] if pairs.sign[at] > 0 else -pairs.phi_high[at])
    assert np.allclose(pairs.q, stats.false_discovery_control(pairs.p))
    assert np.allclose(pair_table(count(table), correction="by").q, stats.false_discovery_control(pairs.p, method="by"))
    assert pairs.related().tolist() == [True] + [False] * 9
    assert pairs.order()[0] == pairs.order("q")[0] == pairs.order("phi")[0] == 0
    assert (np.diff(pairs.lower[pairs.order()]) <= 0).all()


def test_rare_labels_lack_support() -> None:
    """Four joint rows of two rare labels have a small q, and still are not called related."""
    table = np.zeros((4_000, 4))
    table[:4, :2] = 1
    table[4:300, 2] = table[100:400, 3] = 1
    pairs = pair_table(count(table))
    assert pairs.q[0] < 1e-6
    assert not pairs.supported[0]
    assert pairs.supported[-1]
    assert pairs.related().tolist() == [False] * 5 + [True]
    assert pairs.order()[0] in (0, 5)


def test_apart_takes_expected_rows() -> None:
    table = np.zeros((1_000, 4))
    table[:300, 0] = table[300:700, 1] = 1  # 120 expected, none
    table[:20, 2] = table[20:60, 3] = 1  # .8 expected, none
    pairs = pair_table(count(table))
    apart = {(int(i), int(j)): bool(ok) for i, j, ok in zip(pairs.i, pairs.j, pairs.supported, strict=True)}
    assert apart[0, 1]
    assert not apart[2, 3]
    assert (pairs.sign[0], pairs.both[0]) == (-1, 0)


def test_constant_labels_are_no_tests() -> None:
    table = drawn(labels=4)
    table[:, 3] = 1
    table[:, 2] = np.nan
    pairs = pair_table(count(table))
    undefined = (pairs.i >= 2) | (pairs.j >= 2)
    for column in (pairs.phi, pairs.phi_low, pairs.phi_high, pairs.p, pairs.q, pairs.lower, pairs.standard_error):
        assert (np.isnan(column) == undefined).all()
    assert not pairs.related(1.0)[undefined].any()
    assert pairs.order()[0] == 0
    assert pairs.q[0] == pairs.p[0]  # a single test


def test_groups_are_not_taken_for_independent_rows() -> None:
    """Unrelated labels of people: the test for independent rows rejects far too often, the jackknife does not."""
    naive, grouped, hit, tests = 0, 0, 0, 0
    for seed in range(6):
        table, groups = in_groups(150, 20, 12, seed=seed)
        independent, pairs = pair_table(count(table)), pair_table(count(table, groups))
        assert pairs.grouped
        naive += int(np.count_nonzero(independent.p <= 0.05))
        grouped += int(np.count_nonzero(pairs.p <= 0.05))
        hit += int(np.count_nonzero((pairs.phi_low <= 0) & (pairs.phi_high >= 0)))
        tests += len(pairs)
        assert (pairs.p >= independent.p).all()
        assert (pairs.phi_high - pairs.phi_low >= independent.phi_high - independent.phi_low).all()
    assert naive / tests > 0.4
    assert grouped / tests < 0.09
    assert hit / tests > 0.91


def test_related_labels_of_groups_are_seen() -> None:
    table, groups = in_groups(150, 20, 3, seed=1)
    table[:, 1] = table[:, 0]
    pairs = pair_table(count(table, groups))
    assert pairs.related().tolist() == [True, False, False]
    assert pairs.phi_high[0] == 1


def test_groups_of_one_are_independent_rows() -> None:
    table = drawn(3_000)
    counts = count(table, np.arange(3_000))
    result = jackknife(counts, *np.triu_indices(5, 1))
    assert result is not None
    assert np.median(result.ratio) == pytest.approx(1, abs=0.2)
    assert (result.ratio < 1).any()
    independent, pairs = pair_table(count(table)), pair_table(counts)
    assert (result.p() < independent.p).any()
    assert (pairs.p >= independent.p).all()  # chance in the groups makes no pair surer
    assert (pairs.standard_error >= independent.standard_error).all()


def test_a_single_group_warns() -> None:
    table = drawn(50)
    with pytest.warns(MiningWarning, match="all rows in a single group: intervals"):
        pairs = pair_table(count(table, np.zeros(50, int)))
    assert not pairs.grouped


def test_unknown_words_are_refused() -> None:
    counts = count(drawn(20))
    with pytest.raises(ValueError, match="correction must be one of"):
        pair_table(counts, correction="bonferroni")
    with pytest.raises(ValueError, match="by must be one of"):
        pair_table(counts).order("name")


def test_tables_of_one_label_or_no_row_have_no_pair() -> None:
    assert len(pair_table(count(drawn(20, labels=2)[:, :1]))) == 0
    pairs = pair_table(count(np.zeros((0, 3))))
    assert np.isnan(pairs.q).all()
    assert pairs.order().tolist() == [0, 1, 2]


def test_few_groups_warn_and_say_how_many() -> None:
    table = drawn(400)
    with pytest.warns(MiningWarning, match="rest on 19 groups alone; below 20 they are rough"):
        pair_table(count(table, np.arange(400) % 19))
    pair_table(count(table, np.arange(400) % 20))  # warnings are errors
    assert count(table).num_groups is None


@pytest.mark.parametrize("names", [("a", "b", "c", "d", "e"), None])
def test_printing_shows_the_surest_pairs(names: tuple[str, ...] | None) -> None:
    counts = count(drawn())
    pairs = pair_table(TableCounts(counts.counts, counts.rows, None, False, names))
    lines = repr(pairs).splitlines()
    assert str(pairs) == repr(pairs)
    assert lines[0] == "1 of 10 pairs is related (q <= 0.05)"
    assert lines[2].split()[:3] == [*(("a", "b") if names else ("0", "1")), f"{pairs.phi[0]:+.3f}"]
    assert len(lines) == 3
    many = np.repeat(np.random.default_rng(0).integers(0, 2, (100, 1)), 8, axis=1).astype(float)
    text = repr(pair_table(count(many)))
    assert text.splitlines()[0].startswith("28 of 28") and text.endswith("... and 18 more")
    assert len(text.splitlines()) == 13
    assert "array" not in repr(counts) + text
    nothing = repr(pair_table(count(np.random.default_rng(1).integers(0, 2, (40, 3)).astype(float))))
    assert nothing == "0 of 3 pairs are related (q <= 0.05)"


def test_a_q_below_floating_point_is_not_shown_as_nothing() -> None:
    copies = np.repeat(np.random.default_rng(0).integers(0, 2, (3_000, 1)), 2, axis=1).astype(float)
    pairs = pair_table(count(copies))
    assert pairs.q[0] == 0
    assert "<1e-300" in repr(pairs)
    assert next(iter(pair_rows(pairs, ("a", "b"), pairs.order())))[7] == "0"  # CSV holds the number
