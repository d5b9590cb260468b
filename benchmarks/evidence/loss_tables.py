"""What the loss is measured on: label tables, drawn tables, and ways in which training labels are few or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.condition import read
from obrl.mining.metrics import FloatArray

REAL = ("yeast", "emotions", "bibtex", "delicious")
DRAWN = ("redundant", "unrelated")
LEAST_RATE = 0.01
"""Labels present in a smaller share of the training rows, or absent in a smaller one, are left out."""
TRAIN_ROWS = 3_000
TEST_ROWS = 1_000
"""At most so many rows are used, the first ones of the table's own part."""
FEWEST_ROWS = 100
SITUATIONS = {
    "all labels known": (1.0, 1.0, 0.0),
    "a tenth of the rows": (0.1, 1.0, 0.0),
    "50 % of the labels known": (1.0, 0.5, 0.0),
    "20 % of the labels known": (1.0, 0.2, 0.0),
    "10 % of the labels known": (1.0, 0.1, 0.0),
    "10 % of the labels flipped": (1.0, 1.0, 0.1),
}
"""What is left of the training labels: the share of rows, the share of labels known, the share of labels flipped."""
CAUSES, FEATURES, COPIES = 8, 40, 4


class Part(NamedTuple):
    """Rows of a table.

    Attributes:
        features: (rows, features).
        targets: (rows, num_labels), 0 or 1.
        known: (rows, num_labels), which targets may be looked at.
    """

    features: FloatArray
    targets: FloatArray
    known: NDArray[np.bool_]


class Table(NamedTuple):
    """A table in two parts.

    Attributes:
        train: the training rows, with all labels known.
        test: rows that are only predicted.
    """

    train: Part
    test: Part


def drawn(name: str, seed: int) -> Table:
    """A table of 32 labels that follow from 8 causes, which 40 features show dimly.

    `redundant` has four labels for each cause: the cause, two copies with 5 % of their entries flipped, and a part,
    which half of the rows with the cause have. `unrelated` has 32 causes, each one label.

    Example:
        >>> table = drawn("redundant", seed=0)
        >>> phi = np.corrcoef(table.train.targets.T)
        >>> bool(phi[0, 1] > 0.8), bool(abs(phi[0, 4]) < 0.2)
        (True, True)
    """
    rng = np.random.default_rng(seed)
    rows = TRAIN_ROWS + TEST_ROWS
    count = CAUSES if name == "redundant" else CAUSES * COPIES
    causes = rng.random((rows, count)) < rng.uniform(0.1, 0.4, count)
    weights = rng.normal(size=(count, FEATURES)) * np.sqrt(CAUSES / count)
    features = causes @ weights + rng.normal(size=(rows, FEATURES)) * 2
    labels = causes
    if name == "redundant":
        copies = [causes ^ (rng.random(causes.shape) < 0.05) for _ in range(2)]
        part = causes & (rng.random(causes.shape) < 0.5)
        labels = np.stack([causes, *copies, part], axis=2).reshape(rows, -1)
    return _table(features, labels.astype(np.float64), np.arange(rows) < TRAIN_ROWS)


def load(name: str, folder: Path | None, seed: int = 0) -> Table:
    """A table by its name; the seed is that of a drawn one."""
    if name in DRAWN:
        return drawn(name, seed)
    if folder is None:
        raise ValueError(f"{name} is read from a file: --labels names the folder")
    return _table(*read(folder, name, least_rate=LEAST_RATE))


def _table(features: FloatArray, targets: FloatArray, is_train: NDArray[np.bool_]) -> Table:
    known = np.ones(targets.shape, bool)
    chosen = np.flatnonzero(is_train)[:TRAIN_ROWS], np.flatnonzero(~is_train)[:TEST_ROWS]
    return Table(*(Part(features[rows], targets[rows], known[rows]) for rows in chosen))


def degraded(train: Part, situation: str, seed: int) -> Part:
    """The training rows as a situation leaves them; the seed decides which rows and labels are lost or wrong."""
    rng = np.random.default_rng([seed, 1])
    rows_left, labels_known, flipped = SITUATIONS[situation]
    total = len(train.targets)
    rows = rng.permutation(total)[: max(round(rows_left * total), min(FEWEST_ROWS, total))]
    targets = train.targets[rows]
    wrong = rng.random(targets.shape) < flipped
    known = rng.random(targets.shape) < labels_known
    return Part(train.features[rows], np.where(wrong, 1 - targets, targets), known)
