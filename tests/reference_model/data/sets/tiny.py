"""Tiny catalogues to write in each format, and how two of them are compared."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from reference_model.data.catalogue import (
    SPLITS,
    AttributeLabels,
    Catalogue,
    ClassLabels,
    Labels,
    PictureFolder,
    YearLabels,
    seeded_split,
)
from reference_model.data.registry import load_data_set


def picture_bytes(number: int, *, kind: str = "JPEG") -> bytes:
    """An encoded picture of 12 x 12 pixels that differs from those of other numbers."""
    pixels = np.random.Generator(np.random.PCG64(number)).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, quality=95)
    return stream.getvalue()


def tiny_pictures(root: Path, count: int) -> PictureFolder:
    """Different picture files in one folder."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{number:04d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        (root / name).write_bytes(picture_bytes(number))
    return PictureFolder(root, np.array(names))


def tiny_catalogue(
    root: Path, count: int = 30, *, person: np.ndarray | None = None, labels: dict[str, Labels] | None = None
) -> Catalogue:
    """Pictures with the people and labels that a test needs."""
    keys = np.arange(count) if person is None else person
    split = seeded_split(keys, {"train": 0.6, "valid": 0.2, "test": 0.2})
    return Catalogue("tiny", tiny_pictures(root, count), labels or {}, split, person)


def classes(names: tuple[str, ...], values: list[int] | np.ndarray) -> ClassLabels:
    return ClassLabels(names, np.asarray(values, dtype=np.int64))


def sizes(catalogue: Catalogue) -> list[int]:
    """The number of pictures for training, validation and testing."""
    return [int((catalogue.split == split).sum()) for split in SPLITS]


def levels(name: str, root: Path) -> list[str]:
    """The level of each finding of a data set's check."""
    return [finding.level for finding in load_data_set(name).check(root)]


def describe_rows(catalogue: Catalogue) -> dict[bytes, dict[str, object]]:
    """What is said of each picture, by its bytes: labels by name, and the rank of the person's number."""
    rows: dict[bytes, dict[str, object]] = {catalogue.pictures.read(row): {} for row in range(len(catalogue))}
    assert len(rows) == len(catalogue), "two rows hold the same picture"
    for kind, labels in catalogue.labels.items():
        for said, value in zip(rows.values(), _values(labels), strict=True):
            said[kind] = value
    if catalogue.person is not None:
        ranks = np.unique(catalogue.person, return_inverse=True)[1]
        for said, rank in zip(rows.values(), ranks.tolist(), strict=True):
            said["person"] = rank
    return rows


def _values(labels: Labels) -> list[object]:
    if isinstance(labels, AttributeLabels):
        return [tuple(row) for row in labels.values.tolist()]
    if isinstance(labels, YearLabels):
        return [None if np.isnan(value) else value for value in labels.values.tolist()]
    return [None if value < 0 else labels.names[value] for value in labels.values.tolist()]
