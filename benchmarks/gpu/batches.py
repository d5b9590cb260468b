"""The mini-batches that every implementation is run on."""

from __future__ import annotations

import numpy as np

from benchmarks.labels import LABEL_KINDS, draw_targets
from benchmarks.registry import Batch


def draw_batches(batch: int, num_labels: int, labels: str, count: int) -> list[Batch]:
    """Some batches of a kind of labels, the same in every process."""
    rng = np.random.default_rng(1)
    shape = (batch, num_labels)
    return [
        Batch(
            logits=rng.standard_normal(shape, dtype=np.float32),
            targets=draw_targets(*shape, share=LABEL_KINDS[labels], rng=rng),
        )
        for _ in range(count)
    ]
