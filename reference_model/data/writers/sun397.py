"""Writing SUN397's layout."""

from __future__ import annotations

from pathlib import Path

from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.data.writers.common import place_picture, running_numbers


def write_sun397(root: Path, catalogue: Catalogue) -> Path:
    """Write a folder for each scene below its first letter, and the list ``ClassName.txt``.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"class"``; a class ``apse/indoor`` becomes ``a/apse/indoor``.

    Raises:
        ValueError: If a picture has no class.
    """
    scenes = catalogue.labels.get("class")
    if not isinstance(scenes, ClassLabels) or not scenes.known().all():
        raise ValueError(f"SUN397 needs a class for each picture, which {catalogue.data} does not have")
    folders = [f"{name[0].lower()}/{name}" for name in scenes.names]
    for row, (value, picture) in enumerate(
        zip(scenes.values.tolist(), running_numbers(scenes.values).tolist(), strict=True)
    ):
        place_picture(catalogue.pictures, row, root / folders[value] / f"sun_{picture:06d}.jpg")
    present = sorted(folders[value] for value in set(scenes.values.tolist()))
    (root / "ClassName.txt").write_text("".join(f"/{folder}\n" for folder in present), encoding="utf-8")
    return root
