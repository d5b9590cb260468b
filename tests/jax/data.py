"""Small batches with active pairs, for tests that need any."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

LABELS = 5


def labels(random: np.random.Generator, size: int, num_labels: int = LABELS) -> NDArray[np.float32]:
    """0/1 labels, of which the first two always agree and the third never agrees with them."""
    found = random.integers(0, 2, (size, num_labels)).astype(np.float32)
    found[:, 1], found[:, 2] = found[:, 0], 1 - found[:, 0]
    return found


def batches(count: int, size: int, *, seed: int = 0, dtype: Any = jnp.float32) -> tuple[Array, Array]:
    """Logits and targets, each (count, size, LABELS)."""
    random = np.random.default_rng(seed)
    logits = random.standard_normal((count, size, LABELS))
    return jnp.asarray(logits, dtype), jnp.asarray(np.stack([labels(random, size) for _ in range(count)]))
