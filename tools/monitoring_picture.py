"""Draw the picture of `docs/guides/monitoring.md`.

    python -m tools.monitoring_picture docs/pictures/monitoring.png

It shows the heat maps of a relation that is learnt from synthetic labels, after 1, 20 and 500 batches.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from obrl import OnlineBatchRelation
from obrl.monitor import heat_map
from obrl.pictures import Pixels, encode_png

STEPS, BATCH, LABELS, GAP = (1, 20, 500), 24, 16, 16


def synthetic_labels(rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """A batch, (24, 16): the labels follow four hidden traits, and those of the second half contradict the last two."""
    traits = rng.normal(size=(BATCH, 4))
    signs = np.array([1.0, 1.0, -1.0, -1.0])
    first = traits.repeat(2, axis=1)
    second = (traits * signs).repeat(2, axis=1)
    noise = rng.normal(size=(BATCH, LABELS)) * np.linspace(0.2, 1.2, LABELS)
    return np.concatenate([first, second], axis=1) + noise > 0.3


def draw() -> Pixels:
    """The three heat maps side by side."""
    rng, relation, maps = np.random.default_rng(0), OnlineBatchRelation(LABELS), []
    for step in range(1, max(STEPS) + 1):
        relation.update(synthetic_labels(rng))
        if step in STEPS:
            maps.append(heat_map(relation.relation))
    gap = np.full((len(maps[0]), GAP, 3), 255, np.uint8)
    return np.concatenate([maps[0], gap, maps[1], gap, maps[2]], axis=1)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(encode_png(draw()))
