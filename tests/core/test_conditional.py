"""condition, suspicion and query_scores against formulas written row by row, and what they take and refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from obrl import OnlineBatchRelation
from obrl.conditional import condition, query_scores, shrunk, suspicion

LABELS = 6
FloatArray = npt.NDArray[np.float64]


def correlations(rng: np.random.Generator) -> FloatArray:
    factors = rng.normal(size=(LABELS, 3))
    covariance = factors @ factors.T + np.eye(LABELS)
    deviation = np.sqrt(covariance.diagonal())
    return np.asarray(covariance / np.outer(deviation, deviation))


@pytest.fixture
def batch() -> tuple[FloatArray, FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    rng = np.random.default_rng(5)
    probabilities = rng.uniform(0.02, 0.98, (40, LABELS))
    targets = (rng.random((40, LABELS)) < 0.4).astype(np.float64)
    known = rng.random((40, LABELS)) < 0.4
    known[0], known[1] = True, False
    return correlations(rng), probabilities, targets, known


def by_row(phi: FloatArray, p: FloatArray, y: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """The conditional mean of a Gaussian, from its covariance matrix, with the known block inverted."""
    s = np.sqrt(p * (1 - p) + 0.01)
    covariance = np.outer(s, s) * (0.7 * phi + 0.3 * np.eye(LABELS))
    result = np.where(known, y, p)
    o, u = np.flatnonzero(known), np.flatnonzero(~known)
    if len(o):
        inverse = np.linalg.inv(covariance[np.ix_(o, o)])
        for label in u:
            result[label] = p[label] + covariance[label, o] @ inverse @ (y[o] - p[o])
    return np.clip(result, 0, 1)


def test_condition_is_the_conditional_mean_of_a_gaussian(batch: Any) -> None:
    phi, p, y, known = batch
    expected = np.array([by_row(phi, *row) for row in zip(p, y, known, strict=True)])
    np.testing.assert_allclose(condition(phi, p, y, observed=known), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(condition(phi, p, np.where(known, y, np.nan)), expected, rtol=0, atol=1e-12)


def test_suspicion_is_the_residual_of_the_precision_matrix(batch: Any) -> None:
    phi, p, y, known = batch
    q = np.linalg.inv(0.9 * phi + 0.1 * np.eye(LABELS))
    rates = np.clip(np.array([y[known[:, j], j].mean() for j in range(LABELS)]), 0.001, 0.999)
    sigma = np.sqrt(rates * (1 - rates))
    scores = suspicion(phi, p, y, observed=known)
    for row in range(len(y)):
        u = np.where(known[row], (y[row] - p[row]) / sigma, 0)
        for label in range(LABELS):
            e = sigma[label] * sum(q[label, k] * u[k] for k in range(LABELS)) / q[label, label]
            expected = min(max(y[row, label] - e, 1e-4), 1 - 1e-4)
            value = -math.log(expected if y[row, label] else 1 - expected) if known[row, label] else -math.inf
            assert scores[row, label] == pytest.approx(value, abs=1e-10)


def test_query_scores_are_the_fall_of_the_variance(batch: Any) -> None:
    phi, p, y, known = batch
    relation = 0.7 * phi + 0.3 * np.eye(LABELS)
    scores, updated = query_scores(phi, p, y, observed=known), condition(phi, p, y, observed=known)
    for row in range(len(y)):
        o, u = np.flatnonzero(known[row]), np.flatnonzero(~known[row])
        assert (scores[row, o] == -np.inf).all()
        inverse = np.linalg.inv(relation)[np.ix_(u, u)] if len(u) else None
        if inverse is None:
            continue
        c = np.linalg.inv(inverse)  # of a Gaussian: the conditional covariance is the inverse of the precision's block
        for j, label in enumerate(u):
            expected = sum(
                c[j, k] ** 2 / (c[j, j] * c[k, k]) * updated[row, u[k]] * (1 - updated[row, u[k]])
                for k in range(len(u))
            )
            assert scores[row, label] == pytest.approx(expected, abs=1e-10)


def test_unrelated_labels_change_nothing_and_a_constant_label_stands_alone(batch: Any) -> None:
    _, p, y, known = batch
    undefined = np.full((LABELS, LABELS), np.nan)
    np.testing.assert_array_equal(condition(undefined, p, y, observed=known), np.where(known, y, p))
    np.testing.assert_array_equal(shrunk(undefined, 0.3), np.eye(LABELS))


def test_correlations_that_fit_no_distribution_are_mended() -> None:
    impossible = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    assert np.linalg.eigvalsh(impossible).min() < 0
    mended = shrunk(impossible, 0.1)
    assert np.linalg.eigvalsh(mended).min() > 0.09
    np.testing.assert_allclose(mended.diagonal(), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("measure", "estimator"), [("pearson", "batch"), ("unit_pearson", "batch"), ("jaccard", "counts")]
)
def test_methods_take_phi_from_the_relation(batch: Any, measure: str, estimator: str) -> None:
    _, p, y, known = batch
    relation = OnlineBatchRelation(LABELS, measure=measure, estimator=estimator, decay=1).update(y)
    phi = np.corrcoef(y.T)
    np.testing.assert_allclose(
        relation.condition(p, y, observed=known), condition(phi, p, y, observed=known), rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(
        relation.query_scores(p, y, observed=known), query_scores(phi, p, y, observed=known), rtol=0, atol=1e-9
    )
    rates = y.mean(axis=0) if estimator == "counts" else None
    np.testing.assert_allclose(
        relation.suspicion(p, y, observed=known), suspicion(phi, p, y, observed=known, rates=rates), rtol=0, atol=1e-7
    )


def test_rates_stand_in_for_a_model_where_the_relation_counts(batch: Any) -> None:
    _, _, y, known = batch
    counted = OnlineBatchRelation(LABELS, estimator="counts", decay=1).update(y)
    rates = np.clip(y.mean(axis=0), 0.001, 0.999)
    expected = counted.condition(np.broadcast_to(rates, y.shape), y, observed=known)
    np.testing.assert_array_equal(counted.condition(None, y, observed=known), expected)
    with pytest.raises(ValueError, match="knows how often each label is present"):
        OnlineBatchRelation(LABELS).update(y).condition(None, y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": np.full((40, 5), 0.5)}, "probabilities must have the shape of targets"),
        ({"probabilities": np.full((40, LABELS), 3.0)}, "apply the sigmoid to logits"),
        ({"probabilities": np.full((40, LABELS), np.nan)}, "got NaN"),
        ({"targets": np.full((40, LABELS), 2.0)}, r"\[0, 1\]"),
        ({"targets": np.zeros((40, 5))}, "num_labels"),
        ({"observed": np.ones((40, 5), bool)}, "observed must have shape"),
    ],
)
def test_wrong_arrays_are_refused(batch: Any, changes: dict[str, Any], message: str) -> None:
    phi, p, y, known = batch
    arguments = {"probabilities": p, "targets": y, "observed": known} | changes
    for function in (condition, suspicion, query_scores):
        with pytest.raises(ValueError, match=message):
            function(phi, arguments["probabilities"], arguments["targets"], observed=arguments["observed"])


def test_a_measure_without_phi_is_refused(batch: Any) -> None:
    _, p, y, _ = batch
    with pytest.raises(ValueError, match="for phi to follow from the relation"):
        OnlineBatchRelation(LABELS, measure="jaccard").update(y).condition(p, y)
