"""The plain formula is the paper's, checked against obrl.spec, and the asymmetric loss is its paper's."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from benchmarks import jax_peers
from benchmarks.labels import draw_targets
from benchmarks.peers import AsymmetricLoss, PlainOBRLoss, batch_unit_pearson, plain_relation_loss
from obrl import spec

EXACT = {"rtol": 1e-12, "atol": 1e-14}
SINGLE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture
def batches():
    rng = np.random.default_rng(7)
    return [(rng.standard_normal((24, 8)), draw_targets(24, 8, share=0.107, rng=rng)) for _ in range(3)]


@pytest.mark.parametrize("thresholds", [(0.8, 0.2), (0.55, 0.45)])
def test_relation_loss_is_eq_2(batches, thresholds):
    logits, _ = batches[0]
    relation = np.random.default_rng(1).random((8, 8))
    named = dict(zip(("positive_threshold", "negative_threshold"), thresholds, strict=True))
    value = plain_relation_loss(torch.from_numpy(logits), torch.from_numpy(relation), **named)
    expected = spec.relation_loss(logits, spec.pair_codes(relation, **named)).mean()
    np.testing.assert_allclose(value.item(), expected, **EXACT)


def test_a_constant_label_is_unrelated_in_its_batch():
    targets = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    relation = batch_unit_pearson(targets)
    assert relation[0].tolist() == [0.5, 0.5, 0.5]
    np.testing.assert_allclose(relation[1, 2].item(), 0.0, atol=float(np.finfo(np.float32).eps))


def test_a_run_is_that_of_the_specification(batches):
    """Eq. 1 to 4, batch by batch, with the gradient."""
    criterion, state = PlainOBRLoss(8, decay=0.9, alpha=0.5).double(), spec.initial_state(8)
    for raw, targets in batches:
        logits = torch.from_numpy(raw).requires_grad_()
        loss = criterion(logits, torch.from_numpy(targets).double())
        loss.backward()
        state = spec.update(state, targets, decay=0.9)
        expected = spec.terms(raw, targets, codes=spec.pair_codes(spec.relation(state)), alpha=0.5)
        assert expected.relation_loss > 0
        np.testing.assert_allclose(criterion.relation.numpy(), spec.relation(state), **EXACT)
        np.testing.assert_allclose(loss.item(), expected.total, **EXACT)
        np.testing.assert_allclose(logits.grad, expected.gradient, **EXACT)


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


def asymmetric_by_loops(logits, targets, positive_focus, negative_focus, margin):
    total = 0.0
    for row, labels in zip(logits.tolist(), targets.tolist(), strict=True):
        for x, y in zip(row, labels, strict=True):
            p = 1 / (1 + math.exp(-x))
            shifted = max(p - margin, 0)
            total -= (1 - p) ** positive_focus * math.log(p) if y else shifted**negative_focus * math.log(1 - shifted)
    return total / len(logits)


@pytest.mark.parametrize("focus", [(0.0, 4.0, 0.05), (1.0, 2.0, 0.0), (0.0, 0.0, 0.0)])
def test_the_asymmetric_loss_is_its_papers(focus):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    targets = (torch.rand(5, 4, generator=generator) > 0.5).double()
    names = ("positive_focus", "negative_focus", "margin")
    loss = AsymmetricLoss(**dict(zip(names, focus, strict=True)))(logits, targets)
    assert loss.item() == pytest.approx(asymmetric_by_loops(logits, targets, *focus), rel=1e-12)
