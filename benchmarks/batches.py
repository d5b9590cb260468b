"""The mini-batches that every implementation is run on."""

from __future__ import annotations

import numpy as np

from benchmarks.labels import LABEL_KINDS, draw_targets
from benchmarks.registry import Batch

BATCHES = 4
"""Number of different mini-batches that the steps of a measurement cycle through."""


def kinds_up_to(most: int, batch: int, num_labels: int) -> list[str]:
    """The kinds of labels to measure at a size: all where K M^2 is at most `most`, else only the first."""
    return list(LABEL_KINDS)[: None if batch * num_labels**2 <= most else 1]


def draw_batches(batch: int, num_labels: int, labels: str, count: int) -> list[Batch]:
    """Draw `count` batches of a kind of labels, the same in every process."""
    rng = np.random.default_rng(1)
    shape = (batch, num_labels)
    return [
        Batch(
            logits=rng.standard_normal(shape, dtype=np.float32),
            targets=draw_targets(*shape, share=LABEL_KINDS[labels], rng=rng),
        )
        for _ in range(count)
    ]
