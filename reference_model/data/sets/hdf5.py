"""Reading MATLAB files of version 7.3, which are HDF5: text lies behind references, and arrays appear transposed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from reference_model.data.errors import DataError
from reference_model.data.signatures import describe_impostor


@contextmanager
def open_matlab(path: Path) -> Iterator[h5py.File]:
    """Open a MATLAB file of version 7.3.

    Raises:
        DataError: If it is missing, something else, or broken; also where it is read in the ``with`` block.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    except Exception as error:  # HDF5 reports broken files as errors of many classes
        with path.open("rb") as stream:
            start = stream.read(512)
        reason = describe_impostor(start) or f"{str(error).splitlines()[0]}: download it again"
        if start.startswith(b"MATLAB 5.0"):
            reason = "it is of an older version: save it in MATLAB with -v7.3"
        raise DataError(f"{path}: not a readable MATLAB file of version 7.3 ({reason})") from error


def read_texts(file: h5py.File, key: str, path: Path) -> list[str]:
    """Return a cell array of text.

    Raises:
        DataError: If there is no such array.
    """
    cells = _array(file, key, path)
    if cells.dtype != object:
        raise DataError(f"{path}: {key} is no cell array of text but holds {cells.dtype}")
    return [_text(file, cell) for cell in cells.ravel()]


def _text(file: h5py.File, cell: h5py.Reference) -> str:
    """Return the text behind a reference; the low-level calls take a third of the time of ``file[cell][...]``."""
    letters = h5py.h5r.dereference(cell, file.id)
    codes = np.empty(letters.shape, dtype=np.uint16)
    letters.read(h5py.h5s.ALL, h5py.h5s.ALL, codes)
    return codes.tobytes().decode("utf-16-le")


def read_numbers(file: h5py.File, key: str, path: Path) -> npt.NDArray[np.float64]:
    """Return an array of numbers as MATLAB shows it: rows first.

    Raises:
        DataError: If there is no such array.
    """
    numbers = _array(file, key, path)
    if numbers.dtype.kind not in "fiub":
        raise DataError(f"{path}: {key} holds no numbers but {numbers.dtype}")
    return numbers.astype(np.float64).T


def read_indices(file: h5py.File, key: str, path: Path, *, length: int) -> npt.NDArray[np.int64]:
    """Return indices, which MATLAB counts from 1 and stores as floating point, counted from 0.

    Args:
        file: The file.
        key: The array's name.
        path: The file's path, for messages.
        length: Number of rows that they point into.

    Raises:
        DataError: If one is no whole number, out of range, or there twice.
    """
    numbers = read_numbers(file, key, path).ravel()
    wrong = numbers[(numbers != np.round(numbers)) | (numbers < 1) | (numbers > length)]
    if len(wrong):
        raise DataError(f"{path}: {key} must hold whole numbers from 1 to {length}, got {wrong[0]:g}")
    indices = numbers.astype(np.int64) - 1
    repeated = np.flatnonzero(np.bincount(indices, minlength=length) > 1)
    if len(repeated):
        raise DataError(f"{path}: {key} holds {len(repeated)} numbers twice, the first is {repeated[0] + 1}")
    return indices


def _array(file: h5py.File, key: str, path: Path) -> npt.NDArray[np.generic]:
    if not isinstance(file.get(key), h5py.Dataset):
        there = ", ".join(name for name in file if not name.startswith("#"))
        raise DataError(f"{path}: has no array {key}; it has {there or 'none'}")
    array: npt.NDArray[np.generic] = file[key][...]
    return array
