"""Shrinkage, the residual and the suspects, against loops, least squares and planted errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from obrl import count_pairs
from obrl.mining import MiningError
from obrl.mining.blocks import SparseLabels
from obrl.mining.miner import RelationMiner
from obrl.mining.residual import Residual, dense_rows
from obrl.mining.shrinkage import correlation_variances, estimated_shrinkage
from obrl.mining.suspects import SuspectFinder, score_matrix, wrong_probability


def related_table(rows: int = 600, labels: int = 6, seed: int = 0) -> np.ndarray:
    """Labels that one hidden number drives, each in its way."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 1))
    weights = np.linspace(-2, 2, labels)
    return (hidden * weights + 0.6 * rng.normal(size=(rows, labels)) > 0.3).astype(float)


def test_variances_equal_a_loop_over_the_rows():
    table = related_table(80, 4)
    n = len(table)
    x = (table - table.mean(0)) / table.std(0, ddof=1)
    variances = correlation_variances(count_pairs(table))
    for i in range(4):
        for j in range(4):
            w = x[:, i] * x[:, j]
            assert variances[i, j] == pytest.approx(n / (n - 1) ** 3 * ((w - w.mean()) ** 2).sum(), rel=1e-10)


def test_variances_with_missing_entries_are_those_of_the_rows_that_know_both():
    table = related_table(90, 3)
    observed = np.random.default_rng(1).random(table.shape) > 0.3
    both = observed[:, 0] & observed[:, 2]
    whole = correlation_variances(count_pairs(table, observed=observed))
    assert whole[0, 2] == pytest.approx(correlation_variances(count_pairs(table[both]))[0, 2], rel=1e-12)


def test_shrinkage_is_one_without_a_pair_and_near_one_without_relation():
    assert estimated_shrinkage(np.full((2, 2), np.nan), np.full((2, 2), np.nan)) == 1.0
    noise = (np.random.default_rng(0).random((40, 30)) > 0.5).astype(float)
    phi = np.corrcoef(noise.T)
    assert estimated_shrinkage(phi, correlation_variances(count_pairs(noise))) > 0.7
    table = related_table(20_000)
    assert estimated_shrinkage(np.corrcoef(table.T), correlation_variances(count_pairs(table))) < 0.01


def test_residual_without_shrinkage_equals_least_squares_on_the_other_labels():
    table = related_table()
    expected = Residual.from_counts(count_pairs(table), shrinkage=0.0).expected(table, np.ones(table.shape, bool))
    for label in range(table.shape[1]):
        others = np.delete(table, label, axis=1)
        fitted = LinearRegression().fit(others, table[:, label]).predict(others)
        np.testing.assert_allclose(expected[:, label], fitted, atol=1e-10)


def test_expectation_does_not_depend_on_the_entry_itself_and_unknown_ones_stand_at_their_mean():
    table = related_table()
    residual = Residual.from_counts(count_pairs(table))
    known = np.ones((1, 6), bool)
    for label in range(6):
        a, b = table[:1].copy(), table[:1].copy()
        b[0, label] = 1 - b[0, label]
        hidden = known.copy()
        hidden[0, label] = False
        values = [residual.expected(row, mask)[0, label] for row, mask in ((a, known), (b, known), (b, hidden))]
        assert values == pytest.approx([values[0]] * 3, abs=1e-12)
    nothing = residual.expected(table[:1], np.zeros((1, 6), bool))
    np.testing.assert_allclose(nothing[0], table.mean(0), atol=1e-12)


def test_contributions_add_up_to_the_expectation():
    table = related_table()
    residual = Residual.from_counts(count_pairs(table))
    known = np.random.default_rng(2).random(table.shape) > 0.2
    labels = np.arange(len(table)) % 6
    shares = residual.contributions(table, known, labels)
    rows = np.arange(len(table))
    assert (shares[rows, labels] == 0).all()
    expected = residual.expected(table, known)[rows, labels]
    np.testing.assert_allclose(shares.sum(1) + residual.rates[labels], expected, atol=1e-10)


def test_constant_and_duplicate_labels_are_scored_without_a_warning():
    table = related_table()
    table = np.column_stack([table, table[:, 0], np.ones(len(table)), np.zeros(len(table))])
    scores = score_matrix(table)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[:, -2:], 0, atol=1e-12)
    flipped = table.copy()
    flipped[7, 0] = 1 - flipped[7, 0]
    assert score_matrix(flipped)[:, [0, 6]].argmax(axis=0).tolist() == [7, 7]


def test_finder_in_blocks_lists_what_a_sort_of_all_scores_lists():
    table = related_table(500)
    known = np.random.default_rng(3).random(table.shape) > 0.1
    counts = count_pairs(table, observed=known)
    finder = SuspectFinder(counts, top=40, per_label=7)
    for start in range(0, 500, 64):
        finder.add(table[start : start + 64], known[start : start + 64])
    scores = score_matrix(table, counts, observed=known)
    order = np.argsort(-scores.reshape(-1), kind="stable")[:40]
    assert (finder.overall.row * 6 + finder.overall.label).tolist() == order.tolist()
    for label in range(6):
        listed = finder.per_label.row[finder.per_label.label == label]
        assert listed.tolist() == np.argsort(-scores[:, label], kind="stable")[:7].tolist()
    assert (finder.overall.value == table[finder.overall.row, finder.overall.label]).all()


def test_explanations_are_the_labels_whose_removal_changes_the_expectation_most():
    table = related_table()
    counts = count_pairs(table)
    finder = SuspectFinder(counts, top=20)
    known = np.ones(table.shape, bool)
    finder.add(table, known)
    for k in range(20):
        row, label = finder.overall.row[k], finder.overall.label[k]
        before = finder.residual.expected(table[[row]], known[[row]])[0, label]
        changes = []
        for other in range(6):
            without = known[[row]].copy()
            without[0, other] = False
            after = finder.residual.expected(table[[row]], without)[0, label]
            changes.append((before - after) * (1 - 2 * table[row, label]) if other != label else -np.inf)
        order = [other for other in np.argsort(changes)[::-1][:3] if changes[other] > 0]
        listed = [int(partner) for partner in finder.overall.partners[k] if partner >= 0]
        assert listed == order
        assert (finder.overall.partner_values[k][: len(listed)] == table[row, listed]).all()


def test_planted_flips_come_first():
    table = related_table(3000, 12)
    flips = np.random.default_rng(5).random(table.shape) < 0.01
    scores = score_matrix(np.where(flips, 1 - table, table))
    top = np.argsort(-scores.reshape(-1))[: flips.sum()]
    assert flips.reshape(-1)[top].mean() > 3 * flips.mean()


def test_wrong_probability_equals_bayes_rule_and_stays_in_its_range():
    e, true = 0.02, np.linspace(0, 1, 11)
    as_listed = true * (1 - e) + (1 - true) * e
    np.testing.assert_allclose(wrong_probability(as_listed, e), e * (1 - true) / as_listed, atol=1e-12)
    assert wrong_probability([0.0, 1.0], e).tolist() == [1.0, 0.0]
    with pytest.raises(MiningError, match="error rate"):
        wrong_probability([0.5], 0.5)


def test_tables_of_classes_are_refused_unless_forced():
    classes = np.eye(4)[np.arange(40) % 4]
    with pytest.raises(MiningError, match="--force"):
        score_matrix(classes)
    assert score_matrix(classes, force=True).shape == classes.shape


def test_miner_scores_other_rows_of_the_same_labels():
    table = related_table()
    miner = RelationMiner().fit(table)
    np.testing.assert_allclose(miner.score_labels(table[:9]), score_matrix(table)[:9])
    with pytest.raises(MiningError, match="expected 6 labels"):
        miner.score_labels(table[:, :4])


def test_sparse_rows_equal_dense_ones():
    table = related_table(50)
    indptr = np.concatenate([[0], np.cumsum(table.sum(1))]).astype(np.int64)
    labels = SparseLabels(indptr, np.nonzero(table)[1].astype(np.int32), 6)
    values, known = dense_rows(labels, slice(10, 30))
    assert known.all() and (values == table[10:30]).all()
