"""Effective samples and intervals of phi, against direct sums, numeric gradients and drawn tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation, PairCounts, Settings
from obrl.evidence import effective_batches, effective_samples, estimate_phi, phi_interval
from obrl.online import RelationState


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("batches", [1, 2, 7, 400])
def test_effective_batches_are_kish_of_the_weights(decay: float, batches: int) -> None:
    weights = decay ** np.arange(batches)
    kish = weights.sum() ** 2 / (weights**2).sum()
    assert effective_batches(weights.sum(), decay) == pytest.approx(kish, rel=1e-9)


def test_no_evidence_is_no_batch() -> None:
    assert effective_batches(np.zeros((2, 2)), 0.9).tolist() == [[0, 0], [0, 0]]


def test_the_variance_of_a_decayed_mean_is_that_of_the_effective_samples() -> None:
    """Over many runs, the share of joint occurrences scatters as that of so many independent samples."""
    rng = np.random.default_rng(0)
    decay, batch, share = 0.9, 16, 0.3
    shares = []
    for _ in range(300):
        relation = OnlineBatchRelation(1, decay=decay, estimator="counts")
        for _ in range(60):
            relation.update(rng.random((batch, 1)) < share)
        n, s, _ = relation.relation_sum[:, 0, 0]
        shares.append(s / n)
    samples = effective_samples(relation.state, relation.settings)[0, 0]
    assert share * (1 - share) / np.var(shares) == pytest.approx(samples, rel=0.2)


def test_missing_labels_count_for_their_pairs_only() -> None:
    relation = OnlineBatchRelation(2, decay=1.0, estimator="counts").update([[1, np.nan], [1, 0], [0, 1], [np.nan, 1]])
    assert effective_samples(relation.state, relation.settings).tolist() == [[3, 2], [2, 3]]


def test_the_batch_estimator_knows_no_samples() -> None:
    relation = OnlineBatchRelation(2).update([[1, 1], [0, 0]])
    assert np.isnan(effective_samples(relation.state, relation.settings)).all()


def numeric_standard_error(cells: list[float]) -> float:
    """The delta method with a gradient by differences, over the shares of a table with 1/2 in each cell."""
    table = np.array(cells) + 0.5
    shares = table / table.sum()

    def phi(values: np.ndarray) -> float:
        a, b, c, d = values / values.sum()
        return float((a * d - b * c) / math.sqrt((a + b) * (c + d) * (a + c) * (b + d)))

    step = 1e-6
    gradient = np.array([(phi(shares + step * e) - phi(shares - step * e)) / (2 * step) for e in np.eye(4)])
    covariance = (np.diag(shares) - np.outer(shares, shares)) / table.sum()
    return math.sqrt(gradient @ covariance @ gradient)


@pytest.mark.parametrize(
    "cells", [[30, 20, 10, 40], [5, 0, 12, 983], [50, 0, 0, 50], [0, 7, 9, 300], [2.5, 1.25, 3, 8]]
)
def test_the_standard_error_is_the_delta_method(cells: list[float]) -> None:
    a, b, c, d = cells
    estimate = estimate_phi(PairCounts(a + b + c + d, a, a + b, a + c))
    assert estimate.standard_error == pytest.approx(numeric_standard_error(cells), rel=1e-4, abs=1e-6)


def test_phi_of_many_samples_is_centred() -> None:
    counts = PairCounts(400_000, 120_000, 200_000, 160_000)
    expected = (400_000 * 120_000 - 200_000 * 160_000) / math.sqrt(200_000 * 200_000 * 160_000 * 240_000)
    low, high = phi_interval(counts)
    assert (low + high) / 2 == pytest.approx(expected, abs=1e-5)
    assert phi_interval(counts, level=0.5)[0] > low


@pytest.mark.parametrize(
    ("rows", "cells"),
    [
        (2_000, (0.01, 0.0, 0.0, 0.99)),  # duplicates: phi 1
        (2_000, (0.0, 0.1, 0.1, 0.8)),  # exclusive
        (200_000, (0.0008, 0.0002, 0.0002, 0.9988)),  # rare and strongly related, where Fisher's z covers 6 %
        (200, (0.25, 0.25, 0.25, 0.25)),
    ],
)
def test_intervals_hold_the_truth(rows: int, cells: tuple[float, ...]) -> None:
    p, q = cells[0] + cells[1], cells[0] + cells[2]
    phi = (cells[0] - p * q) / math.sqrt(p * (1 - p) * q * (1 - q))
    a, b, c, _ = np.random.default_rng(1).multinomial(rows, cells, size=4_000).T
    low, high = phi_interval(PairCounts(rows, a, a + b, a + c))
    assert np.mean((low <= phi + 1e-9) & (phi - 1e-9 <= high)) >= 0.92


def test_one_joint_occurrence_proves_little() -> None:
    low, high = phi_interval(PairCounts(100_000, 1, 1, 1))
    assert (round(float(low), 2), float(high)) == (0.28, 1.0)


@pytest.mark.parametrize("level", [0, 1, 1.5])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\)"):
        phi_interval(PairCounts(10, 1, 2, 3), level=level)


def test_pairs_say_how_sure_they_are() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(500) < 0.4
    table = np.stack([first, first ^ (rng.random(500) < 0.02), rng.random(500) < 0.5, np.zeros(500)], axis=1)
    relation = OnlineBatchRelation(4, decay=1.0, estimator="counts")
    for rows in range(0, 500, 100):
        relation.update(table[rows : rows + 100])
    (pair,) = relation.pairs()
    both = np.count_nonzero(table[:, 0] * table[:, 1])
    assert (pair.i, pair.j, round(pair.samples), round(pair.both)) == (0, 1, 500, both)
    counts = PairCounts(500, both, table[:, 0].sum(), table[:, 1].sum())
    assert (pair.phi_low, pair.phi_high) == pytest.approx([float(end) for end in phi_interval(counts)])
    assert pair.phi_low < pair.phi < pair.phi_high
    assert pair.phi == pytest.approx(np.corrcoef(table[:, 0], table[:, 1])[0, 1])
    assert pair.q < 1e-50
    assert f"{pair.phi_low:.2f} to {pair.phi_high:.2f}" in str(relation.pairs())


def test_q_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(4)
    table = rng.random((60, 12)) < 0.5
    table[:, 1] = table[:, 0]
    relation = OnlineBatchRelation(12, decay=1.0, estimator="counts", measure="conditional").update(table)
    pairs = relation.pairs(positive_threshold=0.9, negative_threshold=0.01)
    q = {(pair.i, pair.j): pair.q for pair in pairs}
    assert q[0, 1] == q[1, 0] < 1e-10
    alone = OnlineBatchRelation(2, decay=1.0, estimator="counts").update(table[:, :2]).pairs()[0].q
    assert q[0, 1] == pytest.approx(66 * alone)


def test_equal_pairs_compare_equal_where_they_know_nothing() -> None:
    first, second = (OnlineBatchRelation(2, measure="jaccard").update([[1, 1], [0, 0]]).pairs() for _ in range(2))
    assert first == second
    assert first[0].samples is math.nan
    assert first[0].phi is math.nan
    assert "%" not in str(first)


def test_a_constant_label_has_no_interval() -> None:
    relation = OnlineBatchRelation(2, decay=1.0, estimator="counts", measure="matching").update([[1, 1], [1, 1]])
    (pair,) = relation.pairs()
    assert (pair.samples, pair.both) == (2, 2)
    assert pair.phi_low is pair.phi_high is pair.q is math.nan
    assert str(relation.pairs()).endswith("1.0")


def test_rounded_sums_are_tables_still() -> None:
    """Sums of more than 2^24 samples in float32, in which two equal labels differ by the rounding of each count."""
    size = np.ones((2, 2), np.float32)
    sums = np.stack([size * 4e7, size * 1e7 + 8, size * 1e7]) * np.float32(1)
    state = RelationState(sums, size)
    (pair,) = OnlineBatchRelation.from_state(state, Settings(decay=1.0, estimator="counts")).pairs()
    assert 0.999 < pair.phi_low < pair.phi_high <= 1
    assert pair.both == 1e7
    assert pair.q < 1e-9


@pytest.mark.parametrize("decay", [0.5, 0.99])
@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_a_mined_relation_starts_a_loss(decay: float, estimator: str) -> None:
    rng = np.random.default_rng(5)
    table = (rng.random((90, 3)) < 0.4).astype(float)
    table[rng.random(table.shape) < 0.2] = np.nan
    table[:, 1] = table[:, 0]
    relation = OnlineBatchRelation(3, decay=1.0, estimator="counts", label_names=("a", "b", "c"))
    for rows in range(0, 90, 30):
        relation.update(table[rows : rows + 30])
    before = relation.state
    start = relation.as_start(decay=decay, estimator=estimator)
    criterion = OBRLoss(3, decay=decay, estimator=estimator, relation=start)
    assert criterion.label_names == ("a", "b", "c")
    assert np.allclose(criterion.relation, relation.relation, rtol=0, atol=1e-12)
    assert np.allclose(start.relation_weight, 1 / (1 - decay))
    assert all((old == new).all() for old, new in zip(before, relation.state, strict=True))
    criterion(np.zeros((4, 3)), [[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    assert np.allclose(criterion.relation_weight, 1 / (1 - decay))  # the weight at which it neither grows nor fades


def test_a_start_forgets_as_a_run_does() -> None:
    """Mean counts of weight 1 / (1 - decay) go on as if endless batches with these means had come before."""
    batch, other = [[1, 1], [0, 0], [1, 0], [0, 0]], [[1, 0], [0, 1], [0, 1], [1, 1]]
    start = OnlineBatchRelation(2, decay=1.0, estimator="counts").update(batch).as_start(decay=0.8, estimator="counts")
    long = OnlineBatchRelation(2, decay=0.8, estimator="counts")
    for _ in range(400):
        long.update(batch)
    for relation in (start, long):
        relation.update(other)
    assert np.allclose(start.relation_sum, long.relation_sum)
    assert np.allclose(start.relation_weight, long.relation_weight)


def test_pairs_without_evidence_stay_so() -> None:
    relation = OnlineBatchRelation(2, decay=1.0, estimator="counts").update([[1, np.nan], [0, np.nan]])
    for estimator in ("batch", "counts"):
        start = relation.as_start(estimator=estimator)
        assert start.relation_weight[0, 1] == 0
        assert np.isnan(start.relation[0, 1])


def test_starts_that_are_none() -> None:
    relation = OnlineBatchRelation(2).update([[1, 1], [0, 0]])
    with pytest.raises(ValueError, match=r"decay must be in \(0, 1\), got 1"):
        relation.as_start(decay=1)
    with pytest.raises(ValueError, match=r"holds counts, got one of estimator=\"batch\""):
        relation.as_start(estimator="counts")
    with pytest.raises(ValueError, match="estimator must be one of"):
        relation.as_start(estimator="mean")
    with pytest.raises(ValueError, match=r"decay must be in \(0, 1\], got 0"):
        relation.as_start(decay=0)
