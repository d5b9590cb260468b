"""Finding CelebA's files: flat, torchvision's folder, the official tree, and CSV files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reference_model.data.errors import DataError

_BASES = ("", "celeba", "CelebA")
_FOLDERS = ("", "Anno", "Eval", "Img")


@dataclass(frozen=True)
class CelebaFiles:
    """Where CelebA's files lie.

    Args:
        attributes: ``list_attr_celeba.txt`` or ``.csv``.
        partition: ``list_eval_partition.txt`` or ``.csv``.
        identity: ``identity_CelebA.txt``, or None if there is none.
        images: The folder of the aligned pictures, or None if there is none.
    """

    attributes: Path
    partition: Path
    identity: Path | None
    images: Path | None


def find_celeba(root: Path) -> CelebaFiles:
    """Find CelebA's files below a folder.

    Known layouts are everything in one folder, the same in a subfolder ``celeba`` (torchvision's) or ``CelebA``, the
    official tree ``Anno/ Eval/ Img/``, and ``.csv`` lists instead of ``.txt`` ones, with pictures in
    ``img_align_celeba`` or in ``img_align_celeba/img_align_celeba``.

    Args:
        root: The folder.

    Raises:
        DataError: If a list is missing; the message names the places that were searched.
    """
    if not root.is_dir():
        raise DataError(
            f"{root}: {'not a folder' if root.exists() else 'no such folder'}; expected CelebA's files in it"
        )
    base = next((root / name for name in _BASES if _find_list(root / name, "list_attr_celeba")), root)
    attributes = _find_list(base, "list_attr_celeba")
    partition = _find_list(base, "list_eval_partition")
    if attributes is None:
        raise DataError(_absent(root, "list_attr_celeba"))
    if partition is None:
        raise DataError(_absent(base, "list_eval_partition"))
    return CelebaFiles(attributes, partition, _find_list(base, "identity_CelebA"), _find_images(base))


def describe_absent_images(root: Path) -> str:
    """Say where the pictures were expected, and whether they are only packed."""
    archives = [path for base in _BASES for path in sorted((root / base).glob("**/img_align_celeba*.zip"))]
    if archives:
        return f"{archives[0]} is still packed: unpack it to a folder img_align_celeba"
    return f"no folder img_align_celeba in {root}, nor in its Img, celeba or CelebA"


def _find_list(base: Path, stem: str) -> Path | None:
    candidates = (base / folder / f"{stem}{suffix}" for suffix in (".txt", ".csv") for folder in _FOLDERS)
    return next((path for path in candidates if path.is_file()), None)


def _find_images(base: Path) -> Path | None:
    for folder in _FOLDERS:
        images = base / folder / "img_align_celeba"
        nested = images / "img_align_celeba"
        if images.is_dir():
            return nested if nested.is_dir() else images
    return None


def _absent(base: Path, stem: str) -> str:
    bases = ", ".join(name for name in _BASES if name)
    folders = ", ".join(folder for folder in _FOLDERS if folder)
    return f"no {stem}.txt or {stem}.csv in {base}, nor in its {folders}, {bases}"
