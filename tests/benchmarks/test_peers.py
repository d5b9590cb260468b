"""The plain formula is the paper's, checked against loops over samples and pairs and against obrl.spec."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from benchmarks import jax_peers
from benchmarks.labels import draw_targets
from benchmarks.peers import PlainOBRLoss, batch_unit_pearson, plain_relation_loss

EXACT = {"rtol": 1e-12, "atol": 1e-14}
SINGLE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture
def batches():
    rng = np.random.default_rng(7)
    return [(rng.standard_normal((24, 8)), draw_targets(24, 8, share=0.107, rng=rng)) for _ in range(3)]


def relation_loss_by_loops(logits, relation, positive_threshold, negative_threshold):
    """Eq. 2 and 3, one term at a time."""
    batch, num_labels = logits.shape
    total = 0.0
    for row in logits:
        p = [1 / (1 + math.exp(-x)) for x in row]
        for i in range(num_labels):
            for j in range(num_labels):
                if i == j:
                    continue
                squared = (p[i] - p[j]) ** 2
                total += squared if relation[i, j] >= positive_threshold else 0
                total += (1 - squared) ** 2 if relation[i, j] <= negative_threshold else 0
    return total / (2 * batch * num_labels**2)


def test_relation_loss_is_eq_2(batches):
    logits, _ = batches[0]
    relation = np.random.default_rng(1).random((8, 8))
    for thresholds in ((0.8, 0.2), (0.55, 0.45)):
        value = plain_relation_loss(
            torch.from_numpy(logits),
            torch.from_numpy(relation),
            positive_threshold=thresholds[0],
            negative_threshold=thresholds[1],
        )
        np.testing.assert_allclose(value.item(), relation_loss_by_loops(logits, relation, *thresholds), **EXACT)


def test_batch_relation_is_pearsons_on_the_unit_scale(batches):
    _, targets = batches[0]
    targets = targets.astype(np.float64)
    n, s, r = len(targets), targets.T @ targets, targets.sum(0)
    phi = (n * s - np.outer(r, r)) / np.sqrt(np.outer(r * (n - r), r * (n - r)))
    np.testing.assert_allclose(batch_unit_pearson(torch.from_numpy(targets)).numpy(), (1 + phi) / 2, **EXACT)


def test_a_constant_label_is_unrelated_in_its_batch():
    targets = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    relation = batch_unit_pearson(targets)
    assert relation[0].tolist() == [0.5, 0.5, 0.5]
    np.testing.assert_allclose(relation[1, 2].item(), 0.0, atol=float(np.finfo(np.float32).eps))


def test_the_relation_is_the_weighted_mean_of_eq_1(batches):
    criterion = PlainOBRLoss(8, decay=0.9).double()
    for logits, targets in batches:
        criterion(torch.from_numpy(logits), torch.from_numpy(targets).double())
    of_batches = [batch_unit_pearson(torch.from_numpy(targets).double()).numpy() for _, targets in batches]
    expected = np.average(of_batches, axis=0, weights=[0.9**2, 0.9, 1])
    np.testing.assert_allclose(criterion.relation.numpy(), expected, **EXACT)


def test_the_loss_is_eq_4_plus_alpha_eq_2_and_has_a_gradient(batches):
    criterion = PlainOBRLoss(8, alpha=0.5).double()
    (raw, targets) = batches[0]
    logits = torch.from_numpy(raw).requires_grad_()
    loss = criterion(logits, torch.from_numpy(targets).double())
    loss.backward()
    p = 1 / (1 + np.exp(-raw))
    cross_entropy = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum() / len(raw)
    relation_loss = relation_loss_by_loops(raw, criterion.relation.numpy(), 0.8, 0.2)
    assert relation_loss > 0
    np.testing.assert_allclose(loss.item(), cross_entropy + 0.5 * relation_loss, **EXACT)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_the_plain_formula_in_jax_is_that_in_torch(batches):
    criterion, state = PlainOBRLoss(8, decay=0.9, alpha=0.5), jax_peers.plain_init(8)
    for raw, targets in batches:
        logits = torch.from_numpy(raw.astype(np.float32)).requires_grad_()
        expected = criterion(logits, torch.from_numpy(targets))
        expected.backward()
        (loss, state), gradient = jax.value_and_grad(jax_peers.plain_loss, has_aux=True)(
            jnp.asarray(logits.detach().numpy()), jnp.asarray(targets), state, decay=0.9, alpha=0.5
        )
        np.testing.assert_allclose(loss, expected.item(), **SINGLE)
        np.testing.assert_allclose(gradient, logits.grad, **SINGLE)
    np.testing.assert_allclose(jax_peers.plain_relation(state), criterion.relation, **SINGLE)
