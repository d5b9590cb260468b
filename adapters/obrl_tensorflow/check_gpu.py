"""`python -m obrl.tensorflow --check-gpu`: compares `impl="fused"` on this machine's GPU with `"plain"` on a CPU."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from obrl_tensorflow.loss import OBRLoss
from obrl_tensorflow.namespace import Tensor

SIZES = ((256, 40), (1000, 128), (64, 129), (128, 1000))
"""Batch and number of labels; the first two take the kernels for few labels, the others those for many."""
BATCHES = 3
TOLERANCE = 1e-4
"""The largest difference that passes, divided by the largest entry of what is compared."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check and print its result; returns 0 where all sizes agree, 2 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m obrl.tensorflow", description=__doc__)
    parser.add_argument("--check-gpu", action="store_true", required=True, help="compare the GPU's kernels with a CPU")
    parser.parse_args(arguments)
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        print("TensorFlow sees no GPU here; there is nothing to check")
        return 2
    return check(gpus[0].name)


def check(device: str) -> int:
    """Compare `impl="fused"` on a device with `impl="plain"` on a CPU; prints a line a size, returns 0 if all agree."""
    failures = 0
    for rows, num_labels in SIZES:
        for in_graph in (False, True):
            results = _training_results(device, "fused", rows, num_labels, in_graph=in_graph)
            expected = _training_results("CPU:0", "plain", rows, num_labels, in_graph=False)
            difference = max(map(_difference, results, expected))
            agree = difference <= TOLERANCE
            failures += not agree
            print(
                f"{rows} x {num_labels}, {'graph' if in_graph else 'eager'}: largest difference {difference:.1e} "
                f"(at most {TOLERANCE:.0e}): {'agree' if agree else 'DO NOT AGREE'}"
            )
    print(f"{device}: {'all agree' if not failures else f'{failures} do not agree'}")
    return int(failures > 0)


def _training_results(device: str, impl: str, rows: int, num_labels: int, *, in_graph: bool) -> list[Any]:
    """The losses and gradients of `BATCHES` batches, and the accumulators after them."""
    random = np.random.default_rng(0)
    with tf.device(device):
        criterion = OBRLoss(num_labels, impl=impl, positive_threshold=0.6, negative_threshold=0.4)

        def step(targets: Tensor, weights: Tensor) -> Any:
            # This product takes a while, so a loss on another stream than it would read logits that are not ready.
            logits = tf.linalg.matmul(weights, weights)[:rows, :num_labels]
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = criterion(targets, logits)
            return value, tape.gradient(value, logits)

        run: Callable[..., Any] = tf.function(step) if in_graph else step
        results = []
        for _ in range(BATCHES):
            source = random.random((rows, 1))
            targets = (0.4 * source + 0.6 * random.random((rows, num_labels)) > 0.5).astype(np.float32)
            targets[random.random(targets.shape) < 0.1] = np.nan
            size = max(rows, num_labels, 1024)
            weights = random.standard_normal((size, size)).astype(np.float32) / np.float32(np.sqrt(size))
            results += [part.numpy() for part in run(tf.constant(targets), tf.constant(weights))]
        return [*results, criterion.relation_sum.numpy(), criterion.relation_weight.numpy()]


def _difference(result: Any, expected: Any) -> float:
    """The largest difference, divided by the largest entry; infinite where a result is not finite."""
    if not np.isfinite(result).all():
        return float("inf")
    return float(np.abs(result - expected).max() / np.abs(expected).max())
