"""Small batches with active pairs, steps over them, and how results are compared."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from obrl.jax import OBRLoss
from tests.support.tolerances import assert_close, band

LABELS = 5
SETTINGS: dict[str, Any] = {"alpha": 40.0, "decay": 0.5}
"""With them L_B and its gradient are as large as L_E's."""


def labels(random: np.random.Generator, size: int, num_labels: int = LABELS) -> NDArray[np.float32]:
    """0/1 labels, of which the first two always agree and the third never agrees with them."""
    targets = random.integers(0, 2, (size, num_labels)).astype(np.float32)
    targets[:, 1], targets[:, 2] = targets[:, 0], 1 - targets[:, 0]
    return targets


def batches(count: int, size: int, *, seed: int = 0, dtype: Any = jnp.float32) -> tuple[Array, Array]:
    """Logits and targets, each (count, size, LABELS)."""
    random = np.random.default_rng(seed)
    logits = random.standard_normal((count, size, LABELS))
    return jnp.asarray(logits, dtype), jnp.asarray(np.stack([labels(random, size) for _ in range(count)]))


def batch(size: int, seed: int = 0) -> tuple[Array, Array]:
    """Logits and targets of one."""
    logits, targets = batches(1, size, seed=seed)
    return logits[0], targets[0]


def missing_some(targets: Array) -> Array:
    """The targets, with every seventh missing."""
    return jnp.where(jnp.arange(targets.size).reshape(targets.shape) % 7 == 0, jnp.nan, targets)


def step(criterion: Any) -> Any:
    """(logits, targets, state) to ((loss, new state), gradient)."""
    return jax.value_and_grad(criterion, has_aux=True)


def run(criterion: OBRLoss, logits: Array, targets: Array) -> tuple[Array, Array, Any]:
    """Every loss and gradient of a run, batch by batch, and the last state; compiled once for all batches."""
    state, losses, gradients = criterion.init(), [], []
    compiled = jax.jit(step(criterion))
    for x, y in zip(logits, targets, strict=True):
        (loss, state), gradient = compiled(x, y, state)
        losses.append(loss)
        gradients.append(gradient)
    return jnp.stack(losses), jnp.stack(gradients), state


def assert_same(results: Any, expected: Any, precision: str = "float32") -> None:
    """The same structure and dtypes, and values within rounding."""
    assert jax.tree.structure(results) == jax.tree.structure(expected)
    pairs = list(zip(jax.tree.leaves(results), jax.tree.leaves(expected), strict=True))
    assert pairs
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype
        assert_close("result", np.asarray(ours, np.float64), np.asarray(theirs, np.float64), band(80, 100.0, precision))
