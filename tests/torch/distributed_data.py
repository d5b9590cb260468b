"""The rows that the processes of a group share out."""

import numpy as np
import torch
from torch import Tensor

LABELS = 40
ROWS = 10
SPLITS = {"7 and 3": (slice(0, 7), slice(7, 10)), "10 and 0": (slice(0, 10), slice(10, 10))}


def part(split: str, rank: int) -> slice:
    """The rows of a rank."""
    return SPLITS[split][rank]


def batches(*, missing: bool = False) -> list[Tensor]:
    """Three batches of ten rows; related labels, one of them constant in the last three rows.

    Args:
        missing: whether the first rows miss some targets.
    """
    random = np.random.default_rng(5)
    data = []
    for _ in range(3):
        targets = random.integers(0, 2, (ROWS, LABELS)).astype(np.float32)
        targets[:, 1] = targets[:, 0]
        targets[:, 2] = 1 - targets[:, 0]
        targets[0, :2], targets[1, :2] = 1, 0
        targets[7:, 3] = 1
        if missing:
            targets[:7][random.random((7, LABELS)) < 0.2] = np.nan
        data.append(torch.from_numpy(targets))
    return data


def logits_of(targets: Tensor) -> Tensor:
    """Some logits, a function of the targets."""
    return (targets.nan_to_num(0.5) * 2 - 1) * torch.linspace(0.5, 2, LABELS)
