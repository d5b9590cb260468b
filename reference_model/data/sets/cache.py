"""Arrays that take long to compute from one large file, stored in the user's cache until the file changes."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.data.cache import user_cache

Arrays = tuple[npt.NDArray[Any], ...]


def cached_arrays(
    paths: Sequence[Path], what: str, compute: Callable[[], Arrays], *, rows: int | None = None
) -> Arrays:
    """Return arrays computed from files: from the cache if the files' sizes and times are those it was computed with.

    A cache that cannot be read is computed anew, one that cannot be written is done without.

    Args:
        paths: The files.
        what: What is computed, for the name in the cache.
        compute: Computes the arrays.
        rows: The length that the first array must have; None for any.
    """
    states = [path.stat() for path in paths]
    stamp = np.array([(state.st_size, state.st_mtime_ns) for state in states])
    key = hashlib.sha256("\n".join(str(path.resolve()) for path in paths).encode()).hexdigest()[:32]
    place = user_cache() / "indices" / f"{what}-{key}.npz"
    try:
        with place.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = tuple(stored[f"array_{number}"] for number in range(len(stored.files) - 1))
            if np.array_equal(stored["stamp"], stamp) and rows in (None, len(arrays[0])):
                return arrays
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        pass
    arrays = compute()
    with contextlib.suppress(OSError):
        _store(place, {"stamp": stamp} | {f"array_{number}": array for number, array in enumerate(arrays)})
    return arrays


def _store(place: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write a file of arrays that is whole whenever it is there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, suffix=".tmp", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        except BaseException:
            temporary.unlink()
            raise
    temporary.replace(place)
