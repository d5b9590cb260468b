"""The implementations that are measured side by side, each a named entry."""

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
        """Let go of what the last step left behind (its gradient)."""

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
        compiled: whether a compiler is used.
    """

    title: str
    factory: str
    baseline: str
    compiled: bool

    def build(self, num_labels: int, *, threads: int) -> Step:
        """Import the framework and build the step."""
        module, function = self.factory.split(":")
        step: Step = getattr(import_module(module), function)(num_labels, compiled=self.compiled, threads=threads)
        return step


PLAIN = "torch_plain"
"""The entry that "times faster than the plain formula" refers to."""

IMPLEMENTATIONS = {
    "torch_bce": Implementation("BCE alone", "benchmarks.torch_steps:bce", "torch_bce", False),
    "torch_bce_compiled": Implementation(
        "BCE alone, compiled", "benchmarks.torch_steps:bce", "torch_bce_compiled", True
    ),
    "torch_obrl": Implementation("obrl.torch", "benchmarks.torch_steps:obrl_loss", "torch_bce", False),
    "torch_obrl_compiled": Implementation(
        "obrl.torch, compiled", "benchmarks.torch_steps:obrl_loss", "torch_bce_compiled", True
    ),
    PLAIN: Implementation("plain formula", "benchmarks.torch_steps:plain", "torch_bce", False),
    "torch_plain_compiled": Implementation(
        "plain formula, compiled", "benchmarks.torch_steps:plain", "torch_bce_compiled", True
    ),
}
