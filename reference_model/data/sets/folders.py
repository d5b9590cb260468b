"""Data sets that keep a folder of picture files for each person or class."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import PictureFolder
from reference_model.data.errors import DataError, DataWarning, first_few
from reference_model.data.recognise import describe_layout

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
"""Ends of picture files' names, in small letters."""


@dataclass(frozen=True, eq=False)
class FolderScan:
    """The pictures below a folder, in the order of their sorted paths.

    Args:
        pictures: N picture files.
        folders: The F folders that hold pictures, relative to the root, sorted.
        folder: (N,) int64: the number in ``folders`` of each picture's folder.
    """

    pictures: PictureFolder
    folders: tuple[str, ...]
    folder: npt.NDArray[np.int64]

    def select(self, chosen: npt.NDArray[np.bool_]) -> FolderScan:
        """Return the pictures of some folders.

        Args:
            chosen: (F,) bool, True for the folders to keep.
        """
        rows = np.flatnonzero(chosen[self.folder])
        folders = tuple(folder for folder, is_chosen in zip(self.folders, chosen.tolist(), strict=True) if is_chosen)
        return FolderScan(self.pictures.take(rows), folders, (np.cumsum(chosen) - 1)[self.folder[rows]])


def find_base(root: Path, *names: str) -> Path:
    """Return the subfolder that archives unpack to, where there is one, else the root itself.

    Args:
        root: The folder that a user names.
        names: Names of the subfolder.

    Raises:
        DataError: If the root is missing or a file.
    """
    if not root.is_dir():
        raise DataError(f"{root}: {describe_layout(root)}")
    return next((root / name for name in names if (root / name).is_dir()), root)


def is_picture(name: str) -> bool:
    """Return whether a file's name is a picture's."""
    return name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")


def scan_folders(root: Path, *, depth: tuple[int, ...] = (1,)) -> FolderScan:
    """List the pictures in folders below a root; the order never depends on the file system.

    Args:
        root: The folder.
        depth: How many folders may lie between the root and a picture; folders below the deepest are not entered.

    Raises:
        DataError: If the root is missing, or no folder of these depths holds a picture.

    Warns:
        DataWarning: If folders hold nothing, or lie where only pictures do.
    """
    find_base(root)
    names: list[str] = []
    folders: list[str] = []
    lengths: list[int] = []
    empty: list[str] = []
    for folder, pictures, subfolders in _walk(root, "", max(depth)):
        if pictures and folder.count("/") + 1 in depth:
            names.extend(f"{folder}/{name}" for name in pictures)
            folders.append(folder)
            lengths.append(len(pictures))
        elif not subfolders:
            empty.append(folder)
    if not names:
        raise DataError(f"{root}: no picture in its folders; {describe_layout(root)}")
    if empty:
        warnings.warn(
            f"{root}: {len(empty)} folders hold no pictures and are not used: {first_few(empty)}",
            DataWarning,
            stacklevel=3,
        )
    number = np.repeat(np.arange(len(folders)), lengths)
    return FolderScan(PictureFolder(root, np.array(names)), tuple(folders), number)


def _walk(root: Path, folder: str, depth: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield every folder below the root with its pictures and its folders, both sorted."""
    with os.scandir(root / folder) as entries:
        listed = sorted((entry.name, entry.is_dir()) for entry in entries)
    subfolders = [name for name, is_folder in listed if is_folder and not name.startswith(".")]
    if folder:
        yield folder, [name for name, is_folder in listed if not is_folder and is_picture(name)], subfolders
    if depth:
        for name in subfolders:
            yield from _walk(root, f"{folder}/{name}" if folder else name, depth - 1)


def folders_named(root: Path, pattern: str, words: str) -> FolderScan:
    """List the pictures in the folders of a root whose names match a pattern.

    Args:
        root: The folder.
        pattern: A regular expression for the whole name.
        words: The pattern in words, for messages.

    Raises:
        DataError: If no folder that holds pictures has such a name.

    Warns:
        DataWarning: If folders with pictures have other names.
    """
    scan = scan_folders(root)
    matches = np.array([re.fullmatch(pattern, folder) is not None for folder in scan.folders], dtype=bool)
    others = [folder for folder, match in zip(scan.folders, matches.tolist(), strict=True) if not match]
    if not matches.any():
        raise DataError(f"{root}: no folder with pictures is named by {words}; {describe_layout(root)}")
    if not others:
        return scan
    warnings.warn(
        f"{root}: {len(others)} folders are not named by {words}, and are not used: {first_few(others)}",
        DataWarning,
        stacklevel=3,
    )
    return scan.select(matches)
