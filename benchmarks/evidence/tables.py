"""Label tables to measure on: NAME.npz with Y, and CelebA's list of attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CELEBA = Path("celeba") / "list_attr_celeba.txt"


def read_labels(folder: Path, name: str) -> NDArray[np.float64]:
    """The labels of a table, (rows, labels), 0 or 1."""
    if name == "celeba":
        return read_attributes(folder / CELEBA)[1].astype(np.float64)
    with np.load(folder / f"{name}.npz", allow_pickle=False) as content:
        return np.asarray(content["Y"], np.float64)


def read_attributes(file: Path) -> tuple[list[str], NDArray[np.uint8]]:
    """The pictures and labels of a list in CelebA's form: names, and (rows, labels), 0 or 1."""
    lines = file.read_text(encoding="utf-8").splitlines()
    width = len(lines[1].split())
    cells = [line.split() for line in lines[2:]]
    values = np.array([row[1:] for row in cells], np.int8)
    assert values.shape == (int(lines[0]), width)
    return [row[0] for row in cells], (values == 1).astype(np.uint8)


def read_people(file: Path, pictures: list[str]) -> NDArray[np.str_]:
    """Who is shown on each picture, from a list of a picture and a person a line."""
    shown = dict(line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return np.array([shown[picture] for picture in pictures])
