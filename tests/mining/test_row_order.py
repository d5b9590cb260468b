"""The order of a table's rows: neighbours that are alike, sorted rows, labels and pairs that change over the rows."""

from __future__ import annotations

import numpy as np
import pytest

from obrl.mining import MiningWarning, RelationMiner
from obrl.mining.row_order import row_order, warn_of_order
from obrl.mining.tables import open_tables
from tests.mining.shared_data import shared_labels
from tests.mining.test_pair_table import count, drawn, in_groups

SECOND_HALF = slice(1_000, None)


def test_rows_in_order_of_their_groups_warn() -> None:
    table, groups = in_groups(150, 20, 6, seed=0)
    words = "as neighbours resemble each other, relations are .* times less sure"
    with pytest.warns(MiningWarning, match=f"rows are ordered: over 32 consecutive parts .*; {words}"):
        assert warn_of_order(count(table)).ratio > 1.5  # type: ignore[operator]
    shuffled = np.random.default_rng(0).permutation(table)
    assert warn_of_order(count(shuffled)).ratio == pytest.approx(1, abs=0.25)
    assert warn_of_order(count(table, groups)) == (None, None, None)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_rows_sorted_by_a_label_warn(missing: float) -> None:
    table = drawn(2_000, labels=9, missing=missing)
    assert row_order(count(table)).in_words(count(table)) is None
    for label in range(9):
        ordered = count(table[np.argsort(table[:, label], kind="stable")])
        with pytest.warns(MiningWarning, match=f"rows are sorted by the label {label}; below decay 1 the last rows"):
            assert warn_of_order(ordered).ratio < 1.5  # type: ignore[operator]
    for rows in (40, 320, 2_000):
        warn_of_order(count(table[:rows]))  # warnings are errors
    rare = np.zeros((640, 3))
    rare[[3, 100, 300, 500, 630], 0] = rare[:, 1] = 1
    warn_of_order(count(rare))


def test_a_single_pair_that_turns_round_in_mid_table_warns() -> None:
    """Neither label's share changes, and the other 35 pairs do not: the median ratio says nothing."""
    rng = np.random.default_rng(1)
    table = (rng.random((2_000, 9)) < 0.5).astype(float)
    table[:, 1] = np.where(rng.random(2_000) < 0.9, table[:, 0], 1 - table[:, 0])
    table[SECOND_HALF, 1] = 1 - table[SECOND_HALF, 1]
    counts = count(table)
    with pytest.warns(
        MiningWarning, match=r"over 32 consecutive parts phi of 0 and 1 is -0\.9\d to \+.*--history"
    ) as warned:
        order = warn_of_order(counts)
    assert "; 1 of 36 pairs varies far beyond chance; " in str(warned[0].message)
    assert order.ratio == pytest.approx(1, abs=0.1)
    assert order.varying is not None
    assert len(order.varying.labels) == 0


def test_a_label_whose_share_changes_warns_though_no_pair_does() -> None:
    rng = np.random.default_rng(2)
    table = (rng.random((2_000, 9)) < 0.4).astype(float)
    table[SECOND_HALF, 3] = rng.random(1_000) < 0.6
    with pytest.warns(
        MiningWarning, match=r"parts 3 is present in \d+ % to \d+ % of the rows; 1 of 9 labels varies far"
    ):
        warn_of_order(count(table))
    table[SECOND_HALF, 3] = np.nan  # all rows that know it are of the first half
    warn_of_order(count(table))


def test_tables_in_random_order_do_not_warn() -> None:
    """Of 200 tables of independent labels, from common to rare ones, none is called ordered."""
    shares = np.geomspace(0.003, 0.5, 12)
    for seed in range(200):
        counts = count((np.random.default_rng(seed).random((1_500, 12)) < shares).astype(float))
        assert row_order(counts).in_words(counts) is None


@pytest.mark.parametrize("name", ["emotions.npz", "yeast.npz", "bibtex.npz", "delicious.npz"])
def test_real_tables_do_not_warn_in_file_order_nor_shuffled(name: str) -> None:
    with np.load(shared_labels(name)) as arrays:
        table = arrays["Y"]
    for rows in (slice(None), *(np.random.default_rng(seed).permutation(len(table)) for seed in range(3))):
        counts = RelationMiner().fit(table[rows]).table_counts_
        assert row_order(counts).in_words(counts) is None


def test_celeba_was_not_labelled_alike_throughout() -> None:
    """In file order a label that is a matter of taste moves from a seventh of the rows to a third."""
    miner = RelationMiner().fit_table(open_tables([shared_labels("celeba/list_attr_celeba.txt")]))
    with pytest.warns(
        MiningWarning, match="'Big_Lips' is present in 15 % to 33 % of the rows and phi of 'Big_Lips' and"
    ):
        assert warn_of_order(miner.table_counts_).ratio < 1.5  # type: ignore[operator]


def test_few_rows_do_not_warn() -> None:
    for rows in (1, 2, 15, 40, 100):
        warn_of_order(count(drawn(rows)))  # warnings are errors
    assert warn_of_order(count(drawn(10))) == (None, None, None)
