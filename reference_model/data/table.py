"""Labelled picture files in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from reference_model.attributes import match_attributes

SPLITS = ("train", "valid", "test")


class PictureFiles(Sequence[Path]):
    """Files of one folder, as paths that are created on access (creating 200,000 paths takes a second).

    Args:
        folder: The folder.
        file_names: (N,) str: the files' names in it.
    """

    def __init__(self, folder: Path, file_names: npt.NDArray[np.str_]) -> None:
        self.folder = folder
        self.file_names = file_names

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.file_names)

    @overload
    def __getitem__(self, index: int) -> Path: ...

    @overload
    def __getitem__(self, index: slice | npt.NDArray[Any]) -> PictureFiles: ...

    def __getitem__(self, index: int | slice | npt.NDArray[Any]) -> Path | PictureFiles:
        """Return one path, or for a slice or an array the files it selects."""
        if isinstance(index, slice | np.ndarray):
            return PictureFiles(self.folder, self.file_names[index])
        return self.folder / str(self.file_names[index])

    def __eq__(self, other: object) -> bool:
        """Return whether ``other`` holds the same paths in the same order."""
        if isinstance(other, PictureFiles):
            return self.folder == other.folder and np.array_equal(self.file_names, other.file_names)
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """Picture files with their attributes, partition and identity.

    Args:
        names: The M attributes' names.
        files: The N picture files: any sequence of paths.
        targets: (N, M) float32: 1 where an attribute is present, 0 where it is absent, NaN where the label is missing.
        split: (N,) str: ``"train"``, ``"valid"`` or ``"test"``.
        identity: (N,) int64: the number of the person shown, -1 where it is not known; None if nothing is known.

    Raises:
        ValueError: If the parts do not fit together.
    """

    names: tuple[str, ...]
    files: Sequence[Path]
    targets: npt.NDArray[np.float32]
    split: npt.NDArray[np.str_]
    identity: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Check that every part has one entry a row, or a column."""
        rows, columns = len(self.files), len(self.names)
        if self.targets.shape != (rows, columns) or self.targets.dtype != np.float32:
            raise ValueError(
                f"targets must be float32 of shape ({rows}, {columns}), one row a file and one column a name, "
                f"got {self.targets.dtype} of shape {self.targets.shape}"
            )
        if self.split.shape != (rows,):
            raise ValueError(f"split must have shape ({rows},), one entry a file, got {self.split.shape}")
        if self.identity is not None and self.identity.shape != (rows,):
            raise ValueError(f"identity must have shape ({rows},), one entry a file, got {self.identity.shape}")
        unknown = sorted(set(np.unique(self.split).tolist()) - set(SPLITS))
        if unknown:
            raise ValueError(f"split must hold {', '.join(SPLITS)}, got {', '.join(unknown)}")

    def __len__(self) -> int:
        """Return N, the number of pictures."""
        return len(self.files)

    def subset(self, split: str) -> AttributeTable:
        """Return the rows of one partition, in their order.

        Args:
            split: ``"train"``, ``"valid"`` or ``"test"``; ``"all"`` is the table itself.

        Raises:
            ValueError: If ``split`` is none of these.
        """
        if split == "all":
            return self
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)} or all, got {split!r}")
        return self.rows(self.split == split)

    def rows(self, selection: npt.NDArray[Any]) -> AttributeTable:
        """Return some rows.

        Args:
            selection: (N,) bool, True for the rows to keep; or an array of row numbers.
        """
        rows = np.arange(len(self))[selection]
        return AttributeTable(
            names=self.names,
            files=self._files(rows),
            targets=self.targets[rows],
            split=self.split[rows],
            identity=None if self.identity is None else self.identity[rows],
        )

    def _files(self, rows: npt.NDArray[np.int64]) -> Sequence[Path]:
        if isinstance(self.files, PictureFiles):
            return self.files[rows]
        return tuple(self.files[row] for row in rows.tolist())

    def select(self, names: tuple[str, ...]) -> AttributeTable:
        """Return the table with the attributes ``names``, found by normalised name, in that order.

        Raises:
            ValueError: If the table has no such attribute.
        """
        columns = match_attributes(self.names, names)
        return AttributeTable(
            names=tuple(names),
            files=self.files,
            targets=np.ascontiguousarray(self.targets[:, columns]),
            split=self.split,
            identity=self.identity,
        )
