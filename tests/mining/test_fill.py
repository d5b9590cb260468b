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
from obrl.mining.fill import (
    HIDDEN_SHARE,
    HIDDEN_STREAM,
    METHODS,
    NaiveBayes,
    fill_matrix,
    fitted,
    held_out_units,
    out_of_fold,
)
from obrl.mining.inputs import read_matrix
from obrl.mining.miner import RelationMiner
from obrl.mining.residual import Residual
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
    filler = fitted(read_matrix(train), held_out_units(len(train)))
    assert filler.method in METHODS
    p = filler.probabilities(new, ~hidden)
    marginal = np.broadcast_to(train.mean(0), new.shape)
    regression = np.empty(new.shape)
    inputs = np.where(hidden, marginal, new)
    for label in range(10):
        model = LogisticRegression(max_iter=1000).fit(np.delete(train, label, 1), train[:, label])
        regression[:, label] = model.predict_proba(np.delete(inputs, label, 1))[:, 1]
    losses = [log_loss(new[hidden], q[hidden], labels=[0, 1]) for q in (marginal, p, regression)]
    assert (losses[0] - losses[1]) / (losses[0] - losses[2]) > 0.8


def test_the_log_losses_are_those_of_rows_that_neither_counts_nor_curves_have_seen():
    table = related_table(600, 10)
    observed = np.random.default_rng(3).random(table.shape) > 0.5
    held_out = held_out_units(600)
    assert held_out.sum() == 120
    filler = fitted(read_matrix(table, observed), held_out)
    assert filler.log_losses[filler.method] == min(filler.log_losses.values())
    rest = ~held_out
    shown = observed & (np.random.default_rng([0, HIDDEN_STREAM]).random(table.shape) >= HIDDEN_SHARE)
    counts = count_pairs(table[rest], observed=observed[rest])
    ranges = ({}, {"low": -16, "high": 16, "prior": (0.0, 1.0)})
    inputs = (Residual.from_counts(counts).expected, NaiveBayes(counts).log_odds)
    for method, method_inputs, bins in zip(METHODS, inputs, ranges, strict=True):
        curves = Curves(10, **bins)
        x = method_inputs(table, shown)
        curves.add(x[rest], table[rest], observed[rest])
        p = curves.fit().probability(x)
        tested = observed & held_out[:, None]
        loss = log_loss(table[tested], p[tested], labels=[0, 1])
        assert filler.log_losses[method] == pytest.approx(loss, rel=0.002)  # up to the width of the bins


@pytest.mark.parametrize(("noise", "method"), [(0.1, "residual"), (0.6, "naive Bayes")])
def test_copies_of_a_label_choose_the_method_by_how_noisy_they_are(noise, method):
    rng = np.random.default_rng(0)
    copies = np.repeat(rng.integers(0, 2, (400, 1)), 40, axis=1)
    table = np.where(rng.random(copies.shape) < noise, rng.integers(0, 2, copies.shape), copies)
    assert fitted(read_matrix(table), held_out_units(400)).method == method


def test_no_row_held_out_leaves_the_residual():
    filler = fitted(read_matrix(related_table(50)), np.zeros(50, bool))
    assert filler.method == METHODS[0] and np.isnan(filler.log_losses[METHODS[0]])


def test_rows_held_out_are_taken_out_of_counts_that_hold_them_and_not_of_others():
    table, held_out = related_table(300), held_out_units(300)
    of_these, of_others = fitted(read_matrix(table), held_out), count_pairs(1 - table)
    assert of_these.log_losses == fitted(read_matrix(table), held_out, count_pairs(table)).log_losses
    trial = NaiveBayes(of_others).log_odds(table[held_out], np.ones((60, 6), bool))
    filler = fitted(read_matrix(table), held_out, of_others)
    np.testing.assert_allclose(filler._trial.inputs[1](table[held_out], np.ones((60, 6), bool)), trial)


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
