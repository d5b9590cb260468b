"""The training run that every framework repeats, under scan."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from obrl.jax import OBRLoss
from tests.support.shared_training import ALPHA, LABELS, RATE, assert_same_run, data


def test_the_run_is_that_of_numpy() -> None:
    features, targets, start = map(jnp.asarray, data())
    criterion = OBRLoss(LABELS, alpha=ALPHA)

    def step(carry: Any, batch: Any) -> Any:
        (weights, state), (x, y) = carry, batch

        def loss(weights: Any) -> Any:
            return criterion(jnp.matmul(x, weights), y, state)

        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(weights)
        return (weights - RATE * gradient, state), value

    (_, state), losses = jax.jit(lambda: jax.lax.scan(step, (start, criterion.init()), (features, targets)))()
    assert_same_run(np.asarray(losses), criterion.relation(state))
