"""Writing pictures in one folder a class, and so ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.data.writers.common import place_picture, running_numbers

FOLDERS: Mapping[str, str] = MappingProxyType({"train": "train", "valid": "val", "test": "test"})
_IMAGENET_FOLDERS = MappingProxyType({"train": "train", "valid": "train", "test": "val"})


def write_image_folder(
    root: Path,
    catalogue: Catalogue,
    *,
    label: str = "class",
    folders: Mapping[str, str] | None = FOLDERS,
    suffix: str = ".jpg",
) -> Path:
    """Write a folder for each class.

    Args:
        root: The folder to write to.
        catalogue: Pictures of which each has a class.
        label: The labels that say so: ``"class"``, ``"identity"`` or ``"race"``.
        folders: The folder of each partition; None puts the folders of the classes into the root.
        suffix: End of the pictures' names.

    Raises:
        ValueError: If a picture has no class.
    """
    labels = catalogue.labels.get(label)
    if not isinstance(labels, ClassLabels) or not labels.known().all():
        raise ValueError(f"folders of classes need a {label} for each picture, which {catalogue.data} does not have")
    numbers = running_numbers(labels.values).tolist()
    for row, (value, number) in enumerate(zip(labels.values.tolist(), numbers, strict=True)):
        folder = root / folders[str(catalogue.split[row])] if folders else root
        place_picture(catalogue.pictures, row, folder / labels.names[value] / f"{number:06d}{suffix}")
    return root


def write_imagenet(root: Path, catalogue: Catalogue) -> Path:
    """Write ImageNet's layout: test pictures in ``val``, all others in ``train``.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"class"``.

    Raises:
        ValueError: If a picture has no class.
    """
    return write_image_folder(root, catalogue, folders=_IMAGENET_FOLDERS, suffix=".JPEG")
