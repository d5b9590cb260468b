"""Gradients of every argument, of every term and of every order, in forward and in reverse mode."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.test_util import check_grads

from obrl.jax import OBRLoss, RelationLoss, RelationState, relation_loss
from tests.jax.data import LABELS, SETTINGS, assert_same, batch, batches, labels
from tests.support.tolerances import assert_close, assert_exact, band

both = pytest.mark.parametrize("impl", ["auto", "fused"])
every = pytest.mark.parametrize("impl", ["auto", "plain", "fused"])


@every
def test_no_gradient_flows_through_the_relation(impl: str) -> None:
    criterion = OBRLoss(3, **SETTINGS, impl=impl)
    targets = jnp.asarray(labels(np.random.default_rng(0), 6, 3)) * 0.8 + 0.1

    def relation(y: Array, state: RelationState) -> Array:
        return criterion(jnp.zeros((6, 3)), y, state)[1].relation_sum.sum()

    for gradient in jax.tree.leaves(jax.grad(relation, (0, 1))(targets, criterion.init())):
        assert_exact("gradient", gradient, jnp.zeros_like(gradient))


@both
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_gradients_of_targets_and_weights(kind: str, reduction: str, impl: str) -> None:
    """Those of the plain path, alone and beside that of the logits; labels that are not numbers have none."""
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.standard_normal((6, 3)).astype(np.float32))
    targets = jnp.asarray(labels(random, 6, 3))
    targets = targets > 0.5 if kind == "bool" else jnp.where(jnp.eye(6, 3) > 0, jnp.nan, targets * 0.8 + 0.1)
    weight = jnp.asarray(random.random(6).astype(np.float32))

    def gradients(impl: str) -> Any:
        criterion = OBRLoss(3, **SETTINGS, impl=impl, reduction=reduction, pos_weight=[1.0, 2.0, 3.0])

        def loss(x: Array, y: Array, w: Array) -> Array:
            terms, _ = criterion.terms(x, y, criterion.init(), sample_weight=w)
            return (terms.total + 3 * terms.cross_entropy).sum()

        arguments = (0, 2) if kind == "bool" else (0, 1, 2)
        return [jax.grad(loss, those)(logits, targets, weight) for those in (arguments, arguments[1:])]

    expected = gradients("plain")
    assert np.abs(jax.tree.leaves(expected)[-1]).max() > 0
    assert_same(gradients(impl), expected)


@both
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_each_term_and_sample_has_its_own_upstream(reduction: str, impl: str) -> None:
    logits, targets = batch(8)
    upstream = jnp.linspace(-1.0, 2.0, 8) if reduction == "none" else jnp.array([3.0])

    def value_and_gradient(impl: str) -> Any:
        criterion = OBRLoss(LABELS, **SETTINGS, reduction=reduction, impl=impl)

        def loss(x: Array) -> Array:
            terms, _ = criterion.terms(x, targets, criterion.init())
            total, cross_entropy, relation_loss = map(jnp.atleast_1d, terms)
            return total @ upstream + relation_loss @ upstream**2 - cross_entropy.sum()

        return jax.value_and_grad(loss)(logits)

    assert_same(value_and_gradient(impl), value_and_gradient("plain"))


@every
def test_derivatives_of_first_and_second_order(impl: str) -> None:
    """Of the logits by differences, in both modes; of logits and weights together by the plain path."""
    with jax.enable_x64(True):
        logits, targets = (array[0] for array in batches(1, 4, dtype=jnp.float64))
        weight = jnp.linspace(0.5, 2.0, 4)
        state = OBRLoss(LABELS, **SETTINGS)(logits, targets, OBRLoss(LABELS).init(jnp.float64))[1]

        def loss(x: Array, w: Array, impl: str = impl) -> Array:
            criterion = OBRLoss(LABELS, **SETTINGS, normalization="active_pairs", impl=impl)
            terms, _ = criterion.terms(x, targets, state, sample_weight=w, update=False)
            return terms.total + terms.cross_entropy * terms.relation_loss / 100

        check_grads(lambda x: loss(x, weight), (logits,), order=2)
        by_both_modes = jax.jit(jax.hessian(loss))(logits, weight)
        by_reverse_mode = jax.jit(jax.jacrev(jax.grad(loss, (0, 1)), (0, 1)))(logits, weight)
        plain = jax.jit(jax.hessian(lambda x, w: loss(x, w, "plain"), (0, 1)))(logits, weight)
        assert_same(by_both_modes, plain[0][0], "float64")
        assert_same(by_reverse_mode, plain, "float64")


@every
def test_forward_mode(impl: str) -> None:
    logits, targets = batch(4)
    criterion = RelationLoss(LABELS, impl=impl)
    state = criterion(logits, targets, criterion.init())[1]
    for function in (
        lambda x: criterion(x, targets, state)[0],
        lambda x: relation_loss(x, criterion.relation(state), impl=impl),
    ):
        gradient = jax.grad(function)(logits)
        assert np.abs(gradient).max() > 0
        assert_same(jax.jit(jax.jacfwd(function))(logits), gradient)
        value, along = jax.jvp(function, (logits,), (logits,))
        assert_close("value", value, function(logits), band(40, 1.0, "float32"))
        assert_close("derivative", along, (gradient * logits).sum(), band(40, 1.0, "float32"))
