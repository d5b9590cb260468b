"""The three partitions of a run's data, with the paper's 40 attributes in one order, whatever that of the files."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference_model.attributes import CELEBA_ATTRIBUTES, GROUPS, normalise_name
from reference_model.config import ImagesConfig, RunConfig, SyntheticConfig
from reference_model.data.celeba import read_celeba
from reference_model.data.errors import DataError
from reference_model.data.images import FaceImages
from reference_model.data.synthetic import write_synthetic_faces
from reference_model.data.table import AttributeTable, PictureFiles


@dataclass(frozen=True)
class Source:
    """A table of labelled pictures and what identifies it.

    Args:
        table: All partitions, with the attributes in the order of ``CELEBA_ATTRIBUTES``.
        fingerprint: A digest of file names, partitions and labels, the same wherever the files lie.
    """

    table: AttributeTable
    fingerprint: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes, in the order of the columns."""
        return self.table.names

    def train_rates(self) -> Tensor:
        """Return the share of positives in the training partition: (num_labels,) float64, NaN if never labelled."""
        targets = torch.from_numpy(self.table.subset("train").targets).double()
        return targets.nanmean(dim=0)

    def pictures(self, partition: str, config: ImagesConfig) -> FaceImages:
        """Return the pictures of a partition.

        Raises:
            DataError: If the partition is empty, or a picture cannot be read.
        """
        rows = self.table.subset(partition)
        if len(rows) == 0:
            raise DataError(f"the data has no pictures in the {partition} partition")
        return FaceImages(rows, config.size, memory_mb=config.memory_mb)


def open_source(config: RunConfig, names: Sequence[str] = CELEBA_ATTRIBUTES) -> Source:
    """Read the data of a run; synthetic faces that are not on disk yet are drawn first.

    Args:
        config: The settings.
        names: The attributes to read, in the order of the columns.

    Raises:
        ValueError: If the data cannot be read, or its attributes are not ``names``; see `read_source`.
    """
    if config.data == "synthetic":
        root = config.root or synthetic_cache(config.synthetic)
        # The cache holds nothing but such faces, so a set of another version may be replaced.
        write_synthetic_faces(root, **asdict(config.synthetic), overwrite=config.root is None)
        return read_source(root, config.images, names)
    assert config.root is not None  # RunConfig has checked it
    return read_source(config.root, config.images, names)


def read_source(root: Path, images: ImagesConfig, names: Sequence[str] = CELEBA_ATTRIBUTES) -> Source:
    """Read a folder in one of CelebA's layouts.

    Attributes are compared by normalised name, never by position: another order is mapped, while an attribute too
    few or too many is refused.

    Args:
        root: The folder.
        images: What to do about missing pictures.
        names: The attributes to read, in the order of the columns.

    Raises:
        ValueError: If the data's attributes are not ``names``.
    """
    table = read_celeba(root, missing=images.missing)
    requested = {normalise_name(name) for name in names}
    extra = [name for name in table.names if normalise_name(name) not in requested]
    if extra:
        raise ValueError(
            f"the data in {root} has other attributes than the model's {len(names)}: it also has {', '.join(extra)}"
        )
    ordered = table.select(tuple(names))
    return Source(ordered, _fingerprint(ordered))


def attribute_groups(names: Sequence[str] = CELEBA_ATTRIBUTES) -> dict[str, tuple[int, ...]]:
    """Return the columns of the paper's nine groups, by name.

    Args:
        names: The attributes in the order of the columns: the 40 of CelebA, in any order.
    """
    place = {normalise_name(name): column for column, name in enumerate(names)}
    return {group: tuple(place[normalise_name(name)] for name in members) for group, members in GROUPS.items()}


def synthetic_cache(config: SyntheticConfig) -> Path:
    """Return the folder in the user's cache that stores the faces of these settings between runs."""
    if sys.platform == "darwin":
        default = Path.home() / "Library" / "Caches"
    elif os.name == "nt":
        default = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    else:
        default = Path.home() / ".cache"
    base = Path(os.environ.get("XDG_CACHE_HOME") or default)
    digest = hashlib.sha256(repr(config).encode()).hexdigest()[:12]
    return base / "obrl" / f"synthetic-faces-{digest}"


def _fingerprint(table: AttributeTable) -> str:
    files = table.files.file_names.tolist() if isinstance(table.files, PictureFiles) else [f.name for f in table.files]
    digest = hashlib.sha256()
    for part in (table.names, files, table.split.tolist()):
        digest.update("\n".join(part).encode() + b"\0")
    digest.update(np.nan_to_num(table.targets, nan=-1).astype(np.int8).tobytes())
    return digest.hexdigest()
