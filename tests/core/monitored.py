"""A small training for the tests of the monitor, and what it has written."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from obrl.monitor import Monitor

LABELS = 4
COLUMNS = ["step", "criterion", "pairs_together", "pairs_apart", "share_of_loss", "share_of_gradient"]


def batch(step: int, rows: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(step)
    targets = rng.integers(0, 2, (rows, LABELS))
    targets[:, 1], targets[:, 2] = targets[:, 0], 1 - targets[:, 0]
    return rng.normal(size=(rows, LABELS)), targets


def train(monitor: Monitor, criterion: Any, steps: range) -> None:
    for step in steps:
        logits, targets = batch(step)
        criterion(logits, targets)
        monitor.log(step, criterion, logits=logits, targets=targets)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == COLUMNS
    return rows
