"""Real training: a Flax NNX model under Optax, with the state carried beside it, resumed from a checkpoint."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from obrl.jax import OBRLoss, RelationState
from tests.jax.data import LABELS, labels
from tests.support.tolerances import assert_exact

FEATURES, SIZE, STEPS = 8, 32, 60


def data() -> tuple[jax.Array, jax.Array]:
    random = np.random.default_rng(0)
    targets = np.stack([labels(random, SIZE) for _ in range(STEPS)])
    mixing = random.standard_normal((LABELS, FEATURES))
    return jnp.asarray(targets @ mixing + 0.1 * random.standard_normal((STEPS, SIZE, FEATURES)), jnp.float32), targets


def train(steps: int, start: Any = None) -> tuple[Any, RelationState, list[float], OBRLoss]:
    """Train from the beginning, or from the graph, optimizer and relation of an earlier call."""
    criterion = OBRLoss(LABELS, alpha=5.0)

    @nnx.jit
    def step(model: nnx.Linear, optimizer: nnx.Optimizer[Any], state: RelationState, x: Any, y: Any) -> Any:
        def loss(model: nnx.Linear) -> Any:
            return criterion(model(x), y, state)

        (value, state), gradients = nnx.value_and_grad(loss, has_aux=True)(model)
        optimizer.update(model, gradients)
        return value, state

    first, model, optimizer, state = 0, nnx.Linear(FEATURES, LABELS, rngs=nnx.Rngs(0)), None, criterion.init()
    optimizer = nnx.Optimizer(model, optax.adam(0.05), wrt=nnx.Param)
    if start is not None:
        first, saved_model, saved_optimizer, state = start
        nnx.update(model, saved_model)
        nnx.update(optimizer, saved_optimizer)
    features, targets = data()
    losses = []
    for index in range(first, steps):
        value, state = step(model, optimizer, state, features[index], targets[index])
        losses.append(float(value))
    return (steps, nnx.state(model), nnx.state(optimizer)), state, losses, criterion


def test_a_run_learns_and_one_that_stops_and_goes_on_is_the_run() -> None:
    (_, model, _), state, losses, criterion = train(STEPS)
    assert losses[-1] < 0.2 * losses[0]
    assert {(pair.i, pair.j, pair.sign) for pair in criterion.pairs(state)} >= {(0, 1, 1), (0, 2, -1), (1, 2, -1)}
    (steps, *saved), half, first, _ = train(STEPS // 2)
    (_, resumed, _), after, second, _ = train(STEPS, (steps, *saved, half))
    assert first + second == losses
    for ours, theirs in zip(jax.tree.leaves((model, state)), jax.tree.leaves((resumed, after)), strict=True):
        assert_exact("weights and relation", theirs, ours)
