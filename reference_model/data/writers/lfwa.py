"""Writing LFWA's layout, with the two files in MATLAB's version 7.3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import Catalogue
from reference_model.data.writers.common import attributes_of, people_of, place_picture, running_numbers

_HEADER_BYTES = 512


def write_lfwa(root: Path, catalogue: Catalogue) -> Path:
    """Write ``lfw_att_40.mat``, ``indices_train_test.mat`` and the pictures ``lfw/Person_00005/Person_00005_0001.jpg``.

    The validation partition is written as training rows: LFWA has none.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"attributes"``, whose people are known.

    Raises:
        ValueError: If there are no such labels, or a person is not known.
    """
    labels, person = attributes_of(catalogue, "LFWA"), people_of(catalogue)
    folders = [f"Person_{number:05d}" for number in person.tolist()]
    numbers = running_numbers(person).tolist()
    names = [f"{folder}/{folder}_{number:04d}.jpg" for folder, number in zip(folders, numbers, strict=True)]
    for row, name in enumerate(names):
        place_picture(catalogue.pictures, row, root / "lfw" / name)
    listed = [name.replace("/", "\\") for name in names]
    write_matlab(root / "lfw_att_40.mat", {"AttrName": labels.names, "label": labels.values, "name": listed})
    distinct, place = np.unique(person, return_inverse=True)
    test = catalogue.split == "test"
    tested = np.isin(np.arange(len(distinct)), place[test])
    indices = {"img_train": ~test, "img_test": test, "identity_train": ~tested, "identity_test": tested}
    write_matlab(
        root / "indices_train_test.mat",
        {f"indices_{name}": np.flatnonzero(rows)[:, None] + 1.0 for name, rows in indices.items()},
    )
    return root


def write_matlab(path: Path, arrays: dict[str, Sequence[str] | npt.NDArray[np.floating]]) -> None:
    """Write arrays and cell arrays of text as MATLAB's version 7.3 does: HDF5 behind a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=_HEADER_BYTES) as file:
        cells = file.create_group("#refs#")
        for key, array in arrays.items():
            if isinstance(array, np.ndarray):
                numbers = file.create_dataset(key, data=array.T.astype(np.float64), compression="gzip")
                numbers.attrs["MATLAB_class"] = np.bytes_("double")
                continue
            references = np.empty((1, len(array)), dtype=h5py.ref_dtype)
            for place, text in enumerate(array):
                letters = np.frombuffer(text.encode("utf-16-le"), dtype=np.uint16)[:, None]
                cell = cells.create_dataset(f"{key}{place}", data=letters)
                cell.attrs["MATLAB_class"] = np.bytes_("char")
                references[0, place] = cell.ref
            texts = file.create_dataset(key, data=references, dtype=h5py.ref_dtype)
            texts.attrs["MATLAB_class"] = np.bytes_("cell")
    header = b"MATLAB 7.3 MAT-file, Platform: Python, HDF5 schema 1.00 ".ljust(116) + bytes(8) + b"\x00\x02IM"
    with path.open("r+b") as stream:
        stream.write(header)
