"""One small training run, in NumPy in float64, that every framework repeats from the same data and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import obrl

FEATURES, LABELS, SIZE, STEPS, RATE, ALPHA = 6, 5, 16, 50, 0.2, 5.0
LOSS_TOLERANCE, RELATION_TOLERANCE = 1e-5, 1e-6
"""How far off a framework in float32 may be: at every step, and at the end."""


@dataclass(frozen=True)
class Run:
    """The results of a run: the loss of every step, and the relation at the end, (LABELS, LABELS)."""

    losses: NDArray[np.float64]
    relation: NDArray[np.float64]


def data() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Features (STEPS, SIZE, FEATURES), targets (STEPS, SIZE, LABELS), some missing, and the weights at the start."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, (STEPS, SIZE, LABELS)).astype(np.float32)
    targets[..., 1], targets[..., 2] = targets[..., 0], 1 - targets[..., 0]
    features = targets @ random.standard_normal((LABELS, FEATURES)) + random.standard_normal((STEPS, SIZE, FEATURES))
    targets[random.random(targets.shape) < 0.05] = np.nan
    weights = 0.1 * random.standard_normal((FEATURES, LABELS))
    return features.astype(np.float32), targets, weights.astype(np.float32)


def expected() -> Run:
    """The run in NumPy."""
    features, targets, start = data()
    criterion, weights, losses = obrl.OBRLoss(LABELS, alpha=ALPHA), start.astype(np.float64), []
    for x, y in zip(features, targets, strict=True):
        terms, gradient = criterion.value_and_grad(x @ weights, y)
        losses.append(float(terms.total))
        weights -= RATE * x.T @ gradient
    return Run(np.array(losses), criterion.relation)


def assert_same_run(losses: Any, relation: Any) -> None:
    """Raise AssertionError unless a framework's run is the one of NumPy, with active pairs of both signs."""
    reference = expected()
    assert (reference.relation >= 0.8).sum() > LABELS
    assert (reference.relation <= 0.2).any()
    assert reference.losses[-1] < 0.7 * reference.losses[0]
    off = np.abs(np.asarray(losses, np.float64) - reference.losses)
    assert off.shape == (STEPS,)
    assert off.max() <= LOSS_TOLERANCE, f"loss off by {off.max():.2g} at step {off.argmax()}"
    apart = np.abs(np.asarray(relation, np.float64) - reference.relation)
    assert apart.max() <= RELATION_TOLERANCE, f"relation off by {apart.max():.2g}"
