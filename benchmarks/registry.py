"""The implementations that are compared, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """One mini-batch: `logits` and `targets`, both float32 of shape (batch, num_labels)."""

    logits: NDArray[np.float32]
    targets: NDArray[np.float32]


class Step(Protocol):
    """One training step of a loss: update the relation, forward, backward to the logits."""

    def load(self, batches: Sequence[Batch]) -> None:
        """Take these batches and start from an empty relation."""

    def step(self, index: int) -> None:
        """Run one step on batch `index`, to its end."""

    def release(self) -> None:
        """Drop what the last step left behind (its gradient)."""

    def relation(self) -> NDArray[np.float64] | None:
        """The relation that the last step used, or None where there is none."""

    def versions(self) -> dict[str, str]:
        """The versions of what this step runs on."""


@dataclass(frozen=True)
class Implementation:
    """A way to compute the loss.

    Args:
        title: the name in tables.
        factory: `"module:function"`; the function takes `num_labels`, `compiled` and `threads` and returns a
            `Step`. Its module is only imported in the process that runs it.
        baseline: the entry that its time is divided by, plain cross-entropy in the same mode.
        plain: the entry that "times faster than the plain formula" refers to, of the same framework.
        compiled: whether a compiler is used.
        cubes: number of float32 arrays of size K M^2 that a step holds at once.
    """

    title: str
    factory: str
    baseline: str
    plain: str
    compiled: bool
    cubes: float = 0.0

    @property
    def framework(self) -> str:
        """The framework it runs on."""
        return self.plain.partition("_")[0]

    def needs(self, batch: int, num_labels: int) -> int:
        """The approximate size of its arrays of size K M^2, in bytes."""
        return round(4 * self.cubes * batch * num_labels**2)

    def build(self, num_labels: int, *, threads: int) -> Step:
        """Import the framework and build the step."""
        module, function = self.factory.split(":")
        step: Step = getattr(import_module(module), function)(num_labels, compiled=self.compiled, threads=threads)
        return step


def _torch(title: str, function: str, *, compiled: bool = False, cubes: float = 0.0) -> Implementation:
    baseline = "torch_bce_compiled" if compiled else "torch_bce"
    words = f"{title}, compiled" if compiled else title
    return Implementation(words, f"benchmarks.torch_steps:{function}", baseline, "torch_plain", compiled, cubes)


def _jax(title: str, function: str, *, cubes: float = 0.0) -> Implementation:
    return Implementation(title, f"benchmarks.jax_steps:{function}", "jax_bce", "jax_plain", True, cubes)


def _tensorflow(title: str, function: str, mode: str = "XLA", *, cubes: float = 0.0) -> Implementation:
    baseline = "tensorflow_bce" if mode == "XLA" else f"tensorflow_bce_{mode}"
    function = f"{function}_eager" if mode == "eager" else function
    factory = f"benchmarks.tensorflow_steps:{function}"
    return Implementation(f"{title}, {mode}", factory, baseline, "tensorflow_plain_graph", mode == "XLA", cubes)


IMPLEMENTATIONS = {
    "torch_bce": _torch("BCE alone", "bce"),
    "torch_bce_compiled": _torch("BCE alone", "bce", compiled=True),
    "torch_asl": _torch("asymmetric loss", "asymmetric"),
    "torch_obrl": _torch("obrl.torch", "obrl_loss"),
    "torch_obrl_compiled": _torch("obrl.torch", "obrl_loss", compiled=True),
    "torch_obrl_fused": _torch("obrl.torch, fused", "obrl_fused"),
    "torch_obrl_fused_compiled": _torch("obrl.torch, fused", "obrl_fused", compiled=True),
    "torch_plain": _torch("plain formula", "plain", cubes=6.0),
    "torch_plain_compiled": _torch("plain formula", "plain", compiled=True, cubes=1.1),
    "jax_bce": _jax("Optax's BCE alone, jit", "bce"),
    "jax_obrl": _jax("obrl.jax, jit", "obrl_loss"),
    "jax_obrl_fused": _jax("obrl.jax, fused, jit", "obrl_fused"),
    "jax_plain": _jax("plain formula in JAX, jit", "plain", cubes=3.5),
    "tensorflow_bce": _tensorflow("Keras's BCE alone", "bce"),
    "tensorflow_bce_graph": _tensorflow("Keras's BCE alone", "bce", "graph"),
    "tensorflow_bce_eager": _tensorflow("Keras's BCE alone", "bce", "eager"),
    "tensorflow_obrl": _tensorflow("obrl.tensorflow", "obrl_loss"),
    "tensorflow_obrl_graph": _tensorflow("obrl.tensorflow", "obrl_loss", "graph"),
    "tensorflow_obrl_eager": _tensorflow("obrl.tensorflow", "obrl_loss", "eager"),
    "tensorflow_obrl_fused_graph": _tensorflow("obrl.tensorflow, fused", "obrl_fused", "graph"),
    "tensorflow_obrl_fused_eager": _tensorflow("obrl.tensorflow, fused", "obrl_fused", "eager"),
    "tensorflow_plain": _tensorflow("plain formula in TensorFlow", "plain", cubes=2.1),
    "tensorflow_plain_graph": _tensorflow("plain formula in TensorFlow", "plain", "graph", cubes=5.0),
}
FRAMEWORKS = tuple(dict.fromkeys(entry.framework for entry in IMPLEMENTATIONS.values()))


def of_framework(framework: str) -> list[str]:
    """The names of a framework's implementations."""
    return [name for name, entry in IMPLEMENTATIONS.items() if entry.framework == framework]
