"""The files of the feature cache: whole whenever they are there, whatever stopped the process that wrote them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from reference_model.data.augment import mirrored_rows
from reference_model.data.pictures import Unusable
from reference_model.engine.processes import count_processes, from_all, from_first, this_rank
from reference_model.runs import RunError, write_json

ABANDONED_S = 3600.0
LOOKED_FOR_S = 60.0
"""How long a process looks for the first one's file: disks of other machines may show a new one only after a while."""
VALUES, ABOUT = "features.npy", "about.json"

Floats16 = npt.NDArray[np.float16]


@dataclass(frozen=True)
class FeatureMap:
    """What one net says of the pictures of one partition, upright or mirrored: one folder of the cache.

    Args:
        net: ``"net_0"`` to ``"net_3"``.
        partition: The partition.
        mirrored: Whether the pictures are mirrored.
        key: Name of the folder: a digest of everything that the values depend on.
        shape: (pictures, side, side, channels).
    """

    net: str
    partition: str
    mirrored: bool
    key: str
    shape: tuple[int, int, int, int]

    @property
    def bytes(self) -> int:
        """Size of the values on disk."""
        return 2 * int(np.prod(self.shape, dtype=np.int64))

    def is_stored(self, folder: Path) -> bool:
        """Return whether the cache in a folder holds it."""
        return (folder / self.key / ABOUT).is_file()


class MapWriter:
    """Writes one map, row by row, under a name that it gives up for the right one when it is complete.

    Args:
        part: The map.
        folder: Folder of the cache, which exists.
    """

    def __init__(self, part: FeatureMap, folder: Path) -> None:
        self.part = part
        self._target = folder / part.key
        self._place = folder / f"{part.key}.partial-{secrets.token_hex(4)}"
        _remove_abandoned(folder, part.key)
        self._place.mkdir()
        self._file: BinaryIO = (self._place / VALUES).open("wb")
        header = {"descr": "<f2", "fortran_order": False, "shape": part.shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def write(self, rows: Floats16) -> None:
        """Append some rows."""
        self._file.write(rows.astype("<f2").tobytes())

    def finish(self, unusable: Mapping[int, str]) -> None:
        """Put the map in its place.

        Args:
            unusable: By row, what is wrong with pictures that cannot be used.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        reasons = {str(row): unusable[row] for row in sorted(unusable)}
        write_json(self._place / ABOUT, {**asdict(self.part), "unusable": reasons})
        try:
            self._place.rename(self._target)
        except OSError:  # another process may have been faster
            if not (self._target / ABOUT).is_file():
                raise

    def clean_up(self) -> None:
        """Delete what was not finished."""
        self._file.close()
        shutil.rmtree(self._place, ignore_errors=True)


@contextmanager
def writers(parts: list[FeatureMap], folder: Path) -> Iterator[list[MapWriter]]:
    """Write several maps; what is not finished at the end of the block is deleted."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        every = []
        for part in parts:
            writer = MapWriter(part, folder)
            stack.callback(writer.clean_up)
            every.append(writer)
        yield every


def read_map(part: FeatureMap, folder: Path) -> tuple[Floats16, dict[int, str]]:
    """Return the values of a map, as a memory map, and by row what is wrong with unusable pictures.

    Raises:
        ValueError: If the files are not those of such a map.
    """
    place = folder / part.key
    try:
        stored = json.loads((place / ABOUT).read_text(encoding="utf-8"))
        values = np.load(place / VALUES, mmap_mode="r", allow_pickle=False)
        unusable = {int(row): str(reason) for row, reason in stored["unusable"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"they cannot be read ({error})") from error
    if values.shape != part.shape or values.dtype != np.float16:
        raise ValueError(f"they are {values.dtype} {values.shape}, not float16 {part.shape}")
    return values, unusable


def check_shared(folder: Path) -> None:
    """Check that every process sees the files of the first one, before that computes for hours what others cannot read.

    Args:
        folder: Folder of the cache; made where it is not there.

    Raises:
        RunError: If a process, on another machine, does not.
    """
    if count_processes() == 1:
        return
    first = this_rank() == 0
    marker = folder / from_first(f"shared-{secrets.token_hex(4)}")
    if first:
        folder.mkdir(parents=True, exist_ok=True)
        marker.touch()
    from_first(None)  # the file is there now
    until = time.monotonic() + LOOKED_FOR_S
    while not (seen := marker.is_file()) and time.monotonic() < until:
        time.sleep(0.2)
    blind = [str(rank) for rank, sees in enumerate(from_all(seen)) if not sees]
    if first:
        marker.unlink(missing_ok=True)
    if blind:
        raise RunError(
            f"the features in {folder} must be seen by all processes, and {', '.join(blind)} of {count_processes()} do "
            "not see what the first one writes there: name a folder that all machines share with --features.folder "
            "DIR, or leave features.cache out"
        )


def _remove_abandoned(folder: Path, key: str) -> None:
    """Delete half-written maps to which nobody has written for an hour."""
    for place in folder.glob(f"{key}.partial-*"):
        with suppress(FileNotFoundError):  # its writer may be renaming or deleting it
            newest = max((path.stat().st_mtime for path in place.glob("*")), default=place.stat().st_mtime)
            if time.time() - newest > ABANDONED_S:
                shutil.rmtree(place, ignore_errors=True)


class CachedPictures:
    """Features and targets by row, in place of pictures.

    Args:
        plain: For each net (N, side, side, channels) float16.
        mirrored: The same of the mirrored pictures; empty where none are needed.
        targets: (N, ...) what belongs to the pictures.
        unusable: By row, what is wrong with pictures that cannot be used. In their place stands the next usable row,
            with that row's targets, as in `reference_model.data.pictures.PictureBatches`.
    """

    def __init__(
        self,
        plain: list[Floats16],
        mirrored: list[Floats16],
        targets: npt.NDArray[Any],
        unusable: Mapping[int, str],
    ) -> None:
        self._plain, self._mirrored = plain, mirrored
        self._targets = targets[stand_ins(len(targets), unusable)]
        self.unusable = tuple(Unusable(row, unusable[row]) for row in sorted(unusable))

    def __len__(self) -> int:
        """Return the number of pictures, unusable ones included."""
        return len(self._targets)

    def batch(self, indices: npt.NDArray[np.integer]) -> tuple[Floats16, npt.NDArray[Any]]:
        """Return the features (batch, channels, side, side) and the targets (batch, ...) of some rows."""
        features = np.concatenate([values[indices] for values in self._plain], axis=-1)
        return features.transpose(0, 3, 1, 2), self._targets[indices]

    def mirror(self, features: Floats16, indices: npt.NDArray[np.integer], *, seed: int, epoch: int) -> Floats16:
        """Put the features of the mirrored picture in the place of some rows, those that a run mirrors in an epoch.

        Args:
            features: What `batch` returned for ``indices``; written to.
            indices: (batch,) rows.
            seed: The run's seed.
            epoch: Number of the epoch.
        """
        chosen = mirrored_rows(indices, seed=seed, epoch=epoch)
        rows = indices[chosen]
        features.transpose(0, 2, 3, 1)[chosen] = np.concatenate([values[rows] for values in self._mirrored], axis=-1)
        return features


def stand_ins(count: int, unusable: Mapping[int, str]) -> npt.NDArray[np.int64]:
    """Return the row whose picture stands in the place of each: its own, or the next usable one, from the first again.

    Args:
        count: Number of rows.
        unusable: Has the rows whose pictures cannot be used.

    Raises:
        RunError: If no row is left.

    Example:
        >>> stand_ins(5, {1: "broken", 4: "empty"})
        array([0, 2, 2, 3, 0])
    """
    rows = np.arange(count)
    usable = np.setdiff1d(rows, list(unusable))
    if not len(usable):
        raise RunError("no picture can be used")
    return usable[np.searchsorted(usable, rows) % len(usable)]
