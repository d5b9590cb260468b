"""Equinox, Flax Linen and Haiku: each trains, and the relation is that of the targets alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen

from obrl.jax import OBRLoss, RelationState
from tests.jax.data import LABELS, labels
from tests.support.tolerances import assert_close, assert_exact, band

FEATURES, SIZE, STEPS = 8, 32, 30


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    targets = np.stack([labels(random, SIZE) for _ in range(STEPS)])
    return jnp.asarray(targets @ random.standard_normal((LABELS, FEATURES)), jnp.float32), targets


def equinox_net() -> tuple[Any, Callable[[Any, Any], Any]]:
    arrays, static = eqx.partition(eqx.nn.Linear(FEATURES, LABELS, key=jax.random.key(0)), eqx.is_array)
    return arrays, lambda arrays, x: jax.vmap(eqx.combine(arrays, static))(x)


def linen_net() -> tuple[Any, Callable[[Any, Any], Any]]:
    net = linen.Dense(LABELS)
    return net.init(jax.random.key(0), jnp.zeros((1, FEATURES))), net.apply


def haiku_net() -> tuple[Any, Callable[[Any, Any], Any]]:
    net = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(LABELS)(x)))
    return net.init(jax.random.key(0), jnp.zeros((1, FEATURES))), net.apply


NETS = {"equinox": equinox_net, "linen": linen_net, "haiku": haiku_net}


def train(net: str, first: int, last: int, start: Any = None) -> tuple[Any, RelationState, list[float]]:
    """Train from one step to another, from the weights, moments and relation of an earlier call."""
    criterion, optimizer = OBRLoss(LABELS), optax.adam(0.1)
    weights, apply = NETS[net]()
    moments, state = optimizer.init(weights), criterion.init()
    if start is not None:
        weights, moments, state = start

    @jax.jit
    def step(weights: Any, moments: Any, state: RelationState, x: Any, y: Any) -> Any:
        def loss(weights: Any) -> Any:
            return criterion(apply(weights, x), y, state)

        (value, state), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
        updates, moments = optimizer.update(gradients, moments)
        return optax.apply_updates(weights, updates), moments, state, value

    features, targets = data()
    losses = []
    for index in range(first, last):
        weights, moments, state, value = step(weights, moments, state, features[index], targets[index])
        losses.append(float(value))
    return (weights, moments, state), state, losses


@pytest.mark.parametrize("net", NETS)
def test_a_net_learns_and_the_relation_is_that_of_the_targets(net: str) -> None:
    _, state, losses = train(net, 0, STEPS)
    assert losses[-1] < 0.5 * losses[0]
    criterion = OBRLoss(LABELS)
    expected = criterion.init()
    for targets in data()[1]:
        _, expected = criterion(jnp.zeros(targets.shape), targets, expected)
    for name in RelationState._fields:
        size = float(jnp.abs(getattr(expected, name)).max())
        assert_close(name, getattr(state, name), getattr(expected, name), band(STEPS, size, "float32"))


def test_what_equinox_saves_goes_on_as_if_nothing_had_stopped(tmp_path: Path) -> None:
    whole, _, losses = train("equinox", 0, STEPS)
    half, _, first = train("equinox", 0, STEPS // 2)
    eqx.tree_serialise_leaves(tmp_path / "run.eqx", half)
    fresh, _, _ = train("equinox", 0, 0)
    loaded = eqx.tree_deserialise_leaves(tmp_path / "run.eqx", fresh)
    resumed, _, second = train("equinox", STEPS // 2, STEPS, loaded)
    assert first + second == losses
    for expected, leaf in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        assert_exact("a leaf", leaf, expected)
