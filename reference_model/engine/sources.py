"""From settings to data: the catalogue of a stage, what it predicts, and the pictures of each partition."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reference_model.attributes import normalise_name
from reference_model.config import RunConfig, SyntheticConfig
from reference_model.data.cache import user_cache
from reference_model.data.catalogue import SPLITS, Catalogue, fingerprint
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.pictures import PictureBatches
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sampling import sample_training_labels, sample_training_rows, shuffle_training_people
from reference_model.data.sets.common import remedy_of_empty
from reference_model.data.synthetic import write_synthetic_faces
from reference_model.data.synthetic.pool import POOL_FOLDERS, open_pool
from reference_model.stages.stage import Stage, Targets


@dataclass(frozen=True, eq=False)
class StageData:
    """The data of a stage's run.

    Args:
        stage: The stage.
        catalogue: The rows that it learns from and is tested on, all partitions.
        targets: What it predicts for these rows.
        fingerprint: A digest of the catalogue, the same wherever the files lie.
        warnings: What the reader warns of, for the console; the catalogue's notes have it too.
    """

    stage: Stage
    catalogue: Catalogue
    targets: Targets
    fingerprint: str
    warnings: tuple[str, ...] = ()

    def size(self, partition: str) -> int:
        """Return the number of pictures in a partition."""
        return int((self.catalogue.split == partition).sum())

    def values(self, partition: str) -> Any:
        """Return the targets' values of the rows of a partition, in their order."""
        return self.targets.values[self.catalogue.split == partition]

    def pictures(self, partition: str, config: RunConfig) -> PictureBatches:
        """Return the pictures of a partition with their targets.

        Raises:
            DataError: If too many pictures cannot be read.
        """
        rows = self.catalogue.subset(partition)
        values = self.values(partition)
        return PictureBatches(
            rows.pictures,
            values,
            config.images.size,
            memory_mb=config.images.memory_mb,
            max_unusable=config.read.max_unusable,
            classes=values if self.stage.balanced and partition == "train" else None,
        )


def open_data(config: RunConfig, stage: Stage) -> StageData:
    """Read the data of a run, without any picture, and check that no partition is empty.

    Raises:
        ValueError: If the data cannot be read or used for the stage.
    """
    catalogue, differences = _read_with_warnings(config, stage)
    sizes = {name: int((catalogue.split == name).sum()) for name in SPLITS}
    empty = [name for name in dict.fromkeys(("train", "valid", *stage.partitions)) if not sizes[name]]
    if empty:
        counts = ", ".join(f"{count} {name}" for name, count in sizes.items())
        raise DataError(
            f"{config.data}: no pictures for the stage {stage.name} in the partition {' and '.join(empty)}; it has "
            f"{counts}; {remedy_of_empty(config.data)}"
        )
    targets = stage.targets(catalogue, config)
    return StageData(stage, catalogue, targets, fingerprint(catalogue), differences)


def _read_with_warnings(config: RunConfig, stage: Stage) -> tuple[Catalogue, tuple[str, ...]]:
    """Read a catalogue, and what its reader warns of, which goes into its notes in place of a Python warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        catalogue = open_catalogue(config, stage)
    for other in caught:
        if not issubclass(other.category, DataWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    texts = [str(warning.message) for warning in caught if issubclass(warning.category, DataWarning)]
    differences = tuple(dict.fromkeys(texts))
    return replace(catalogue, notes=(*catalogue.notes, *differences)), differences


def open_catalogue(config: RunConfig, stage: Stage) -> Catalogue:
    """Read the catalogue of a stage; synthetic pictures that are not on disk yet are drawn first.

    Args:
        config: The settings.
        stage: The stage, whose label every row has.

    Raises:
        ValueError: If the data cannot be read, or the stage cannot use it.
    """
    if config.data not in (*stage.catalogues, "synthetic"):
        known = ", ".join((*stage.catalogues, "synthetic"))
        raise DataError(f"the stage {stage.name} cannot be trained on {config.data}; it reads {known}")
    data, root = _place(config, stage)
    catalogue = _read(config, data, root)
    if stage.adapt is not None:
        catalogue = stage.adapt(catalogue)
    if stage.combine is not None:
        catalogue = stage.combine(catalogue, _scenes(config), config)
    notes = (*catalogue.notes, *catalogue.label_notes.get(stage.label, ()))
    return _sampled(_labelled(replace(catalogue, notes=notes, label_notes={}), stage), config)


def _place(config: RunConfig, stage: Stage) -> tuple[str, Path]:
    """Return the data set to read and its folder."""
    if config.data != "synthetic":
        assert config.root is not None  # RunConfig has checked it
        return config.data, config.root
    if stage.name == "attributes":
        root = config.root or synthetic_cache(config.synthetic)
        # The cache holds nothing but such faces, so a set of another version may be replaced.
        write_synthetic_faces(root, **asdict(config.synthetic), overwrite=config.root is None)
        return "celeba", root
    return _pooled(config, stage.name)


def _pooled(config: RunConfig, part: str) -> tuple[str, Path]:
    name, folder = POOL_FOLDERS[part]
    return name, open_pool(config.synthetic, config.root, config.pool) / folder


def _scenes(config: RunConfig) -> Catalogue | None:
    if config.data == "synthetic" or config.read.scenes_data == "synthetic":
        return _read(config, *_pooled(config, "scenes"))
    if config.read.scenes_data == "tiles":
        return None
    if config.read.scenes is None:
        raise DataError(
            f"the stage face needs the folder of the pictures without faces, in the format {config.read.scenes_data}: "
            "--read.scenes DIR, or --read.scenes_data tiles to make them from the faces"
        )
    return _read(config, config.read.scenes_data, config.read.scenes)


def _read(config: RunConfig, data: str, root: Path) -> Catalogue:
    read = config.read
    # The partitions of sets that define none are the same for every seed of a run.
    options = ReadOptions(
        missing=config.images.missing,
        classes=read.classes,
        exclude_names=read.exclude_names,
        max_unusable=read.max_unusable,
    )
    return load_data_set(data).read(root, options)


def _labelled(catalogue: Catalogue, stage: Stage) -> Catalogue:
    """Return the rows that the stage can use: those with its label, and strangers whose identity is a number only."""
    if stage.label != "identity" or catalogue.person is None or stage.label not in catalogue.labels:
        return catalogue.with_label(stage.label)
    return catalogue.rows(catalogue.labels[stage.label].known() | (catalogue.person >= 0))


def _sampled(catalogue: Catalogue, config: RunConfig) -> Catalogue:
    """Return the data with the training pictures, labels and people that the settings choose by the run's seed."""
    read = config.read
    if read.train_rows is not None:
        catalogue = sample_training_rows(catalogue, read.train_rows, seed=config.seed)
    if read.label_share < 1:
        catalogue = sample_training_labels(catalogue, read.label_share, seed=config.seed)
    if read.shuffle_people:
        catalogue = shuffle_training_people(catalogue, seed=config.seed)
    return catalogue


def align_targets(targets: Targets, names: tuple[str, ...], details: Mapping[str, Any], *, data: str) -> Targets:
    """Express the targets of other data in the outputs of a net trained earlier, by name and never by position.

    Args:
        targets: What the data holds.
        names: The net's outputs.
        details: Details of the targets that the net was trained on, which take the place of these.
        data: The data's name, for messages.

    Raises:
        DataError: If attributes are missing.
    """
    places = {normalise_name(name): place for place, name in enumerate(targets.names)}
    values = targets.values
    if values.ndim == 2:
        absent = [name for name in names if normalise_name(name) not in places]
        if absent:
            raise DataError(f"{data} has other attributes than the model: it lacks {', '.join(absent)}")
        values = values[:, [places[normalise_name(name)] for name in names]]
    elif np.issubdtype(values.dtype, np.integer):
        numbers = {normalise_name(name): number for number, name in enumerate(names)}
        table = np.array([numbers.get(normalise_name(name), -1) for name in targets.names] + [-1], dtype=np.int64)
        values = table[values]  # -1, a missing class, takes the last entry
    return replace(targets, values=values, names=names, details=details)


def synthetic_cache(config: SyntheticConfig) -> Path:
    """Return the folder in the user's cache that stores the faces of these settings between runs."""
    digest = hashlib.sha256(repr(config).encode()).hexdigest()[:12]
    return user_cache() / f"synthetic-faces-{digest}"
