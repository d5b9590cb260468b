"""`python -m obrl.tensorflow --check-gpu`: whether `impl="fused"` gives on this machine's GPU what it should."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from obrl_tensorflow.loss import OBRLoss
from obrl_tensorflow.namespace import Tensor

SIZES = ((256, 40), (1000, 128), (64, 129), (128, 1000))
"""Batch and labels: of the kernels for few labels, and of those for many."""
BATCHES = 3
MOST = 1e-4
"""By how much a loss may differ, as a part of it, and a gradient, as a part of its largest entry."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, say what was found, and return 0 where all is well."""
    parser = argparse.ArgumentParser(prog="python -m obrl.tensorflow", description=__doc__)
    parser.add_argument("--check-gpu", action="store_true", required=True, help="compare the GPU's kernels with a CPU")
    parser.parse_args(arguments)
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        print("TensorFlow sees no GPU here; there is nothing to check")
        return 2
    return check(gpus[0].name)


def check(device: str) -> int:
    """Compare `impl="fused"` on a device with `impl="plain"` on a CPU; print a line a size, return 0 if all agree."""
    wrong = 0
    for rows, num_labels in SIZES:
        for in_graph in (False, True):
            found = _trained(device, "fused", rows, num_labels, in_graph=in_graph)
            expected = _trained("CPU:0", "plain", rows, num_labels, in_graph=False)
            farthest = max(map(_distance, found, expected))
            agree = farthest <= MOST
            wrong += not agree
            print(
                f"{rows} x {num_labels}, {'graph' if in_graph else 'eager'}: largest difference {farthest:.1e} "
                f"(at most {MOST:.0e}): {'agree' if agree else 'DO NOT AGREE'}"
            )
    print(f"{device}: {'all agree' if not wrong else f'{wrong} do not agree'}")
    return int(wrong > 0)


def _trained(device: str, impl: str, rows: int, num_labels: int, *, in_graph: bool) -> list[Any]:
    """The losses, gradients and accumulators of some batches."""
    random = np.random.default_rng(0)
    with tf.device(device):
        criterion = OBRLoss(num_labels, impl=impl, positive_threshold=0.6, negative_threshold=0.4)

        def step(targets: Tensor, weights: Tensor) -> Any:
            # What comes before on the stream takes its time: a loss on another stream would not wait for it.
            logits = tf.linalg.matmul(weights, weights)[:rows, :num_labels]
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = criterion(targets, logits)
            return value, tape.gradient(value, logits)

        run: Callable[..., Any] = tf.function(step) if in_graph else step
        found = []
        for _ in range(BATCHES):
            source = random.random((rows, 1))
            targets = (0.4 * source + 0.6 * random.random((rows, num_labels)) > 0.5).astype(np.float32)
            targets[random.random(targets.shape) < 0.1] = np.nan
            size = max(rows, num_labels, 1024)
            weights = random.standard_normal((size, size)).astype(np.float32) / np.float32(np.sqrt(size))
            found += [part.numpy() for part in run(tf.constant(targets), tf.constant(weights))]
        return [*found, criterion.relation_sum.numpy(), criterion.relation_weight.numpy()]


def _distance(found: Any, expected: Any) -> float:
    """The largest difference, as a part of the largest entry."""
    if not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())
