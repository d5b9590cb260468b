"""Label tables to measure on: NAME.npz with Y, and CelebA's list of attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CELEBA = Path("celeba") / "list_attr_celeba.txt"


def read_labels(folder: Path, name: str) -> NDArray[np.float64]:
    """The labels of a table, (rows, labels), 0 or 1."""
    if name == "celeba":
        lines = (folder / CELEBA).read_text(encoding="utf-8").splitlines()
        width = len(lines[1].split())
        values = np.array([line.split()[1:] for line in lines[2:]], np.int8)
        assert values.shape == (int(lines[0]), width)
        return (values == 1).astype(np.float64)
    with np.load(folder / f"{name}.npz", allow_pickle=False) as content:
        return np.asarray(content["Y"], np.float64)
