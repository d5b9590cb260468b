"""One training step in JAX, for each loss that is compared; all under jit."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

import obrl
from benchmarks.jax_peers import plain_init, plain_loss, plain_relation
from benchmarks.registry import Batch
from obrl.jax import OBRLoss

Loss = Callable[[Array, Array, Any], tuple[Array, Any]]


class JaxStep:
    """`jax.value_and_grad` of a loss that takes and returns its state, which is donated.

    Args:
        loss: (logits, targets, state) to (loss, state).
        init: the state to start with.
        relation: the relation in a state, or None where the loss has none.
        threads: on how many processors the process may run.
    """

    def __init__(
        self, loss: Loss, init: Callable[[], Any], relation: Callable[[Any], Array] | None, *, threads: int
    ) -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # XLA starts a thread a processor
        self._step = jax.jit(jax.value_and_grad(loss, has_aux=True), donate_argnums=2)
        self._init = init
        self._relation = relation
        self._batches: list[tuple[Array, Array]] = []
        self._state: Any = None
        self._gradient: Array | None = None

    def load(self, batches: Sequence[Batch]) -> None:
        """Take these batches and start from an empty relation."""
        self._state = self._init()
        self._batches = [(jnp.asarray(batch.logits), jnp.asarray(batch.targets)) for batch in batches]

    def step(self, index: int) -> None:
        """Run one step on batch `index`, and wait for all of it."""
        (_, self._state), self._gradient = self._step(*self._batches[index], self._state)
        jax.block_until_ready((self._state, self._gradient))

    def release(self) -> None:
        """Drop the gradient."""
        self._gradient = None

    def relation(self) -> NDArray[np.float64] | None:
        """The relation of the state, None for cross-entropy alone."""
        return None if self._relation is None else np.asarray(self._relation(self._state), np.float64)

    def versions(self) -> dict[str, str]:
        """Versions of Python, NumPy, JAX and obrl."""
        return {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "jax": jax.__version__,
            "obrl": obrl.__version__,
        }


def bce(num_labels: int, *, compiled: bool, threads: int) -> JaxStep:
    """Optax's binary cross-entropy alone; `num_labels` is not needed."""

    def loss(logits: Array, targets: Array, state: Any) -> tuple[Array, Any]:
        return optax.sigmoid_binary_cross_entropy(logits, targets).mean(), state

    return JaxStep(loss, lambda: (), None, threads=threads)


def obrl_loss(num_labels: int, *, compiled: bool, threads: int) -> JaxStep:
    """`obrl.jax.OBRLoss` with its defaults."""
    criterion = OBRLoss(num_labels)
    return JaxStep(criterion, criterion.init, criterion.relation, threads=threads)


def obrl_fused(num_labels: int, *, compiled: bool, threads: int) -> JaxStep:
    """The same in native code."""
    criterion = OBRLoss(num_labels, impl="fused")
    return JaxStep(criterion, criterion.init, criterion.relation, threads=threads)


def plain(num_labels: int, *, compiled: bool, threads: int) -> JaxStep:
    """The paper's formula written plainly."""
    return JaxStep(plain_loss, lambda: plain_init(num_labels), plain_relation, threads=threads)
