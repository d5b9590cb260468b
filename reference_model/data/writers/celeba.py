"""Writing CelebA's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reference_model.data.catalogue import SPLITS, Catalogue
from reference_model.data.writers.common import attributes_of, place_picture


def write_celeba(root: Path, catalogue: Catalogue) -> Path:
    """Write the pictures, ``img_align_celeba/000001.jpg`` and so on, and the lists.

    The lists are spelled as CelebA's are: a trailing space after the names, padded numbers, CR LF for the identities.
    A missing label is 0; pictures without a known person are not in the list of identities.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"attributes"``.

    Raises:
        ValueError: If there are no such labels.
    """
    labels = attributes_of(catalogue, "CelebA")
    files = [f"{row + 1:06d}.jpg" for row in range(len(catalogue))]
    signed = np.nan_to_num(2 * labels.values - 1, nan=0).astype(np.int64).tolist()
    rows = [f"{name} " + " ".join(f"{value:2d}" for value in row) for name, row in zip(files, signed, strict=True)]
    partition = [f"{name} {SPLITS.index(part)}" for name, part in zip(files, catalogue.split.tolist(), strict=True)]
    for row, name in enumerate(files):
        place_picture(catalogue.pictures, row, root / "img_align_celeba" / name)
    _write(root / "list_attr_celeba.txt", [str(len(files)), " ".join(labels.names) + " ", *rows], "\n")
    _write(root / "list_eval_partition.txt", partition, "\n")
    if catalogue.person is not None:
        people = zip(files, catalogue.person.tolist(), strict=True)
        _write(root / "identity_CelebA.txt", [f"{name} {person}" for name, person in people if person >= 0], "\r\n")
    return root


def _write(path: Path, lines: list[str], end: str) -> None:
    path.write_bytes((end.join(lines) + end).encode())
