"""Small batches with active pairs, for tests that need any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LABELS = 5
NAMES = ["hat", "cap", "bald", "young", "smile"]

MASKED = np.ma.masked_array(
    [[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1]], mask=[[0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]]
)
"""Targets of which two are missing; the loss of logits of zero is 1.7884."""


def labels(random: np.random.Generator, size: int) -> NDArray[np.float32]:
    """0/1 labels, of which the first two always agree and the third never agrees with them."""
    targets = random.integers(0, 2, (size, LABELS)).astype(np.float32)
    targets[:, 1], targets[:, 2] = targets[:, 0], 1 - targets[:, 0]
    return targets


def batch(size: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets and logits, each (size, LABELS)."""
    random = np.random.default_rng(seed)
    return labels(random, size), random.standard_normal((size, LABELS)).astype(np.float32)
