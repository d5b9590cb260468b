"""Reading structures from MATLAB files of the versions 4 to 7."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.data.errors import DataError
from reference_model.data.signatures import describe_impostor


def read_struct(path: Path, name: str, fields: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the fields of a file's structure.

    Args:
        path: The file.
        name: The structure's name.
        fields: Fields that it must have.

    Raises:
        DataError: If the file cannot be read, or has no such structure or fields.
    """
    try:
        from scipy.io import loadmat  # half a second, for those only who read such files
    except ImportError:
        raise DataError(f"{path}: reading MATLAB files needs SciPy: pip install 'obrl[reference]'") from None
    impostor = describe_impostor(path)
    if impostor is not None:
        raise DataError(f"{path}: {impostor}")
    try:
        content = loadmat(str(path), variable_names=[name])
    except NotImplementedError:
        raise DataError(f"{path}: is a MATLAB file of version 7.3; expected one of version 5 or 7") from None
    except Exception as error:  # what SciPy raises on cut files depends on the place: zlib, struct, TypeError
        raise DataError(f"{path}: is not a whole MATLAB file ({error}); download it again") from error
    struct = content.get(name)
    present = () if struct is None or struct.dtype.names is None else struct.dtype.names
    absent = [key for key in fields if key not in present]
    if absent:
        raise DataError(f"{path}: has no structure {name} with the fields {', '.join(absent)}; download it again")
    return {key: struct[key].ravel()[0].ravel() for key in present}


def strings(cells: npt.NDArray[Any]) -> list[str]:
    """Return the text of each cell of a cell array; empty cells are empty strings."""
    return [str(cell.ravel()[0]) if isinstance(cell, np.ndarray) and cell.size else "" for cell in cells.ravel()]
