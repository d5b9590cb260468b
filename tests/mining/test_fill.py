"""Filling missing labels, against scikit-learn's regression and naive Bayes, and hidden entries."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.naive_bayes import BernoulliNB

from obrl import count_pairs
from obrl.mining import MiningError
from obrl.mining.curves import Curves
from obrl.mining.fill import METHODS, Filler, NaiveBayes, fill_matrix, out_of_fold
from obrl.mining.miner import RelationMiner
from tests.mining.test_suspects import related_table


def test_curves_equal_logistic_regression():
    rng = np.random.default_rng(0)
    x = rng.random((20_000, 2))
    y = (rng.random(x.shape) < 1 / (1 + np.exp(-(x * [6, -3] - [2, -1])))).astype(float)
    curves = Curves(2)
    curves.add(x, y, np.ones(x.shape, bool))
    curves.fit()
    for label in range(2):
        model = LogisticRegression(C=1e6).fit(x[:, [label]], y[:, label])
        assert curves.slopes[label] == pytest.approx(model.coef_[0, 0], rel=0.01)
        assert curves.intercepts[label] == pytest.approx(model.intercept_[0], rel=0.02)


def test_curves_of_parts_add_up():
    rng = np.random.default_rng(1)
    x, y, counted = rng.random((400, 3)), rng.integers(0, 2, (400, 3)).astype(float), rng.random((400, 3)) > 0.2
    whole, first, second = Curves(3), Curves(3), Curves(3)
    whole.add(x, y, counted)
    first.add(x[:150], y[:150], counted[:150])
    second.add(x[150:], y[150:], counted[150:])
    first.merge(second)
    np.testing.assert_allclose(first.fit().slopes, whole.fit().slopes, rtol=1e-9)
    assert first.entries.sum() == counted.sum()
    with pytest.raises(ValueError, match="same labels"):
        first.merge(Curves(2))


def test_curves_of_separable_labels_converge_to_finite_ones():
    x = np.linspace(0, 1, 50)[:, None]
    curves = Curves(1)
    curves.add(x, (x > 0.5).astype(float), np.ones(x.shape, bool))
    p = curves.fit().probability(x)
    assert np.isfinite(curves.slopes).all() and ((p > 0.5) == (x > 0.5)).all()


def test_naive_bayes_equals_that_of_scikit_learn():
    table = related_table(300, 4)
    bayes = NaiveBayes(count_pairs(table))
    odds = bayes.log_odds(table, np.ones(table.shape, bool))
    for label in range(4):
        others = np.delete(table, label, axis=1)
        model = BernoulliNB(alpha=0.5).fit(others, table[:, label])
        log_p = model.predict_joint_log_proba(others)
        prior = np.log((table[:, label].sum() + 0.5) / ((1 - table[:, label]).sum() + 0.5))
        expected = log_p[:, 1] - log_p[:, 0] + prior - (model.class_log_prior_[1] - model.class_log_prior_[0])
        np.testing.assert_allclose(odds[:, label], expected, atol=1e-9)


def test_filled_entries_of_new_rows_gain_most_of_what_a_regression_for_each_label_gains():
    table = related_table(6000, 10)
    train, new = table[:4000], table[4000:]
    hidden = np.random.default_rng(2).random(new.shape) < 0.1
    filler = Filler(count_pairs(train))
    filler.learn(train, np.ones(train.shape, bool))
    assert filler.choose() in METHODS
    p = filler.probabilities(new, ~hidden)
    marginal = np.broadcast_to(train.mean(0), new.shape)
    regression = np.empty(new.shape)
    inputs = np.where(hidden, marginal, new)
    for label in range(10):
        model = LogisticRegression(max_iter=1000).fit(np.delete(train, label, 1), train[:, label])
        regression[:, label] = model.predict_proba(np.delete(inputs, label, 1))[:, 1]
    losses = [log_loss(new[hidden], q[hidden], labels=[0, 1]) for q in (marginal, p, regression)]
    assert (losses[0] - losses[1]) / (losses[0] - losses[2]) > 0.8


def test_the_method_with_the_lower_log_loss_is_chosen():
    table = related_table(3000, 10)
    observed = np.random.default_rng(3).random(table.shape) > 0.5
    filler = Filler(count_pairs(table, observed=observed))
    filler.learn(table, observed)
    method = filler.choose()
    assert filler.log_losses[method] == min(filler.log_losses.values())
    one = Filler(count_pairs(table))
    assert one.method == METHODS[0] and np.isnan(one.log_losses[METHODS[0]])


def test_probabilities_are_calibrated():
    table = related_table(8000, 8)
    p = RelationMiner().fit(table[:4000]).predict_proba(table[4000:])
    for low in np.arange(0.0, 1.0, 0.2):
        inside = (p >= low) & (p < low + 0.2)
        assert table[4000:][inside].mean() == pytest.approx(p[inside].mean(), abs=0.06)


def test_missing_entries_do_not_matter_by_their_value():
    table = related_table(400)
    observed = np.random.default_rng(4).random(table.shape) > 0.3
    other = np.where(observed, table, 1 - table)
    np.testing.assert_array_equal(fill_matrix(table, observed=observed), fill_matrix(other, observed=observed))
    missing = np.where(observed, table, np.nan)
    np.testing.assert_array_equal(fill_matrix(table, observed=observed), fill_matrix(missing))


def test_a_label_that_is_never_known_gets_a_finite_probability():
    table = related_table(100)
    table[:, 2] = np.nan
    p = fill_matrix(table)
    assert ((p > 0) & (p < 1)).all()


def test_out_of_fold_probabilities_do_not_depend_on_the_entry_itself():
    table = related_table(120)
    before = out_of_fold(table, folds=4)
    assert before.shape == table.shape and ((before > 0) & (before < 1)).all()
    changed = table.copy()
    changed[5, 3] = 1 - changed[5, 3]
    assert out_of_fold(changed, folds=4)[5, 3] == pytest.approx(before[5, 3], abs=1e-12)
    assert fill_matrix(changed)[5, 3] != fill_matrix(table)[5, 3]


def test_out_of_fold_keeps_groups_together_and_checks_the_folds():
    table = related_table(60)
    groups = np.repeat(np.arange(20), 3)
    before = out_of_fold(table, groups=groups)
    changed = table.copy()
    changed[3:6, 1] = 1 - changed[3:6, 1]
    np.testing.assert_allclose(out_of_fold(changed, groups=groups)[3:6, 1], before[3:6, 1], atol=1e-12)
    with pytest.raises(ValueError, match=r"folds must lie in \[2, 20\]"):
        out_of_fold(table, groups=groups, folds=21)
    with pytest.raises(ValueError, match="groups must have shape"):
        out_of_fold(table, groups=groups[:-1])


def test_other_labels_than_those_mined_are_an_error():
    with pytest.raises(MiningError, match="expected 6 labels"):
        RelationMiner().fit(related_table(50)).predict_proba(np.ones((3, 2)))
