"""Every file below a folder, for programs that take whatever pictures a user has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import PictureFolder
from reference_model.data.errors import DataError


def list_files(folder: Path, *, without: tuple[Path, ...] = ()) -> PictureFolder:
    """List the files below a folder, in an order that does not depend on the file system.

    Linked folders are entered, each once. Files and folders whose names begin with a dot are passed over, and so is
    what is no file (a socket, a device). Whether a file is a picture shows when it is decoded.

    Args:
        folder: The folder.
        without: Files to leave out.

    Raises:
        DataError: If the folder is missing, is a file, or has no file.
    """
    if not folder.is_dir():
        known = "is a file; name its folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {known}")
    left_out = {path.resolve() for path in without}
    names = [name for name in _walk(folder, "", set()) if not left_out or (folder / name).resolve() not in left_out]
    if not names:
        raise DataError(f"{folder}: no file in it or in its folders")
    return PictureFolder(folder, np.array(names))


def _walk(root: Path, folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    place = root / folder
    try:
        status = place.stat()
        with os.scandir(place) as entries:
            listed = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{place}: cannot be listed ({error.strerror})") from error
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for name, is_folder in listed:
        path = f"{folder}/{name}" if folder else name
        if is_folder:
            yield from _walk(root, path, seen)
        elif (root / path).is_file() or not (root / path).exists():  # a link to nowhere is listed, and cannot be read
            yield path
