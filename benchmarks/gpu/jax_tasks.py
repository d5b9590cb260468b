"""`python -m benchmarks.gpu.jax_tasks`: times steps in JAX, all under jit, at one size after the other.

The tasks are `IMPLEMENTATION/LABELS/BATCH/NUM_LABELS`, and `versions`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks.batches import BATCHES, draw_batches
from benchmarks.gpu.clocks import Plan, Timing, timed_rounds
from benchmarks.gpu.rows import JAX_TITLES, Row, times
from benchmarks.gpu.tasks import answers_to_parent, serve
from obrl.jax import OBRLoss

Loss = Callable[[Array, Array, Any], tuple[Array, Any]]


def cross_entropy(logits: Array, targets: Array, state: Any) -> tuple[Array, Any]:
    """Binary cross-entropy alone, as Optax writes it; it has no state."""
    log_p, log_not_p = jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)
    return (-targets * log_p - (1.0 - targets) * log_not_p).mean(), state


def make(name: str, num_labels: int) -> tuple[Loss, Any]:
    """The loss of a key of `JAX_TITLES`, and its initial state."""
    if name == "jax_bce":
        return cross_entropy, ()
    criterion = OBRLoss(num_labels)
    return criterion, criterion.init()


class Dispatched:
    """A clock for many steps that are dispatched without waiting, with one wait at their end."""

    def __init__(self, name: str, size: tuple[int, int], labels: str) -> None:
        loss, self._state = make(name, size[1])
        batches = draw_batches(*size, labels, BATCHES)
        self._batches = [(jnp.asarray(batch.logits), jnp.asarray(batch.targets)) for batch in batches]
        jitted = jax.jit(jax.value_and_grad(loss, has_aux=True), donate_argnums=2)
        self._step = jitted.lower(*self._batches[0], self._state).compile()
        self._last: Any = None

    def run(self) -> None:
        """Dispatch one step on each batch."""
        for logits, targets in self._batches:
            (value, self._state), gradient = self._step(logits, targets, self._state)
            self._last = value, gradient

    def elapsed(self, run: Callable[[], object]) -> float:
        """The seconds from the first dispatch to the end of all work."""
        jax.block_until_ready((self._state, self._last))
        start = time.perf_counter()
        run()
        jax.block_until_ready((self._state, self._last))
        return time.perf_counter() - start

    def peak_bytes(self) -> int | None:
        """The memory that a step needs beside its arguments, by XLA's analysis."""
        try:
            memory: Any = self._step.memory_analysis()
            return int(memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes)
        except (AttributeError, NotImplementedError):  # a backend without such an analysis
            return None


def time_one(task: str, plan: Plan) -> dict[str, Any]:
    """The row of one task."""
    name, labels, *numbers = task.split("/")
    batch, num_labels = map(int, numbers)
    steps = Dispatched(name, (batch, num_labels), labels)
    steps.run()
    timing = Timing("wall", *timed_rounds(steps, steps.run, BATCHES, plan))
    row = Row(name, JAX_TITLES[name], batch, num_labels, labels, **times(timing), peak_memory_bytes=steps.peak_bytes())
    return row.as_dict()


def main() -> None:
    """Answer the tasks of the command line."""
    answers = answers_to_parent()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.jax_tasks", description=__doc__)
    parser.add_argument("device", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("tasks", nargs="+")
    options = parser.parse_args()
    plan = Plan(rounds=2, round_s=0.0, most=1) if options.quick else Plan()

    def run(task: str) -> Any:
        if options.device == "cuda" and jax.default_backend() != "gpu":
            raise RuntimeError(f"JAX sees no GPU: its backend is {jax.default_backend()!r}")
        return {"jax": jax.__version__} if task == "versions" else time_one(task, plan)

    serve(options.tasks, run, lambda: None, answers)


if __name__ == "__main__":
    main()
