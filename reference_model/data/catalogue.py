"""What every reader of a data set returns: pictures, their labels, their partition and the people they show."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from reference_model.data.errors import DataError

SPLITS = ("train", "valid", "test")
Rows = npt.NDArray[np.int64]


class PictureSource(Protocol):
    """Encoded pictures by row, wherever they lie: files of a folder, records of one file, lines of a table."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    def read(self, row: int) -> bytes:
        """Return the encoded picture (JPEG, PNG ...) of a row; threads may call it at the same time.

        Raises:
            DataError: If it cannot be read; the message names the file and the record.
        """
        ...

    def name(self, row: int) -> str:
        """Return the picture's name, relative to the data set's root, so the same wherever that lies."""
        ...

    def describe(self, row: int) -> str:
        """Return where the picture lies, for messages: a path, or a file and its record."""
        ...

    def take(self, rows: Rows) -> PictureSource:
        """Return the pictures of some rows."""
        ...


@dataclass(frozen=True, eq=False)
class PictureFolder:
    """Picture files below one folder.

    Args:
        root: The folder.
        names: (N,) str: paths relative to it, with forward slashes.
    """

    root: Path
    names: npt.NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)

    def read(self, row: int) -> bytes:
        """Return a file's bytes."""
        path = self.root / str(self.names[row])
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise DataError(f"{path}: no such picture file") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error

    def name(self, row: int) -> str:
        """Return the path relative to the folder."""
        return str(self.names[row])

    def sizes(self) -> npt.NDArray[np.int64]:
        """Return the bytes of each file, -1 where there is none; nothing is read."""
        sizes = np.full(len(self), -1, dtype=np.int64)
        for row, name in enumerate(self.names.tolist()):
            with suppress(OSError):
                sizes[row] = (self.root / name).stat().st_size
        return sizes

    def describe(self, row: int) -> str:
        """Return the whole path."""
        return str(self.root / str(self.names[row]))

    def take(self, rows: Rows) -> PictureFolder:
        """Return the files of some rows."""
        return PictureFolder(self.root, self.names[rows])


@dataclass(frozen=True, eq=False)
class AttributeLabels:
    """Binary labels.

    Args:
        names: The M attributes' names.
        values: (N, M) float32: 1 where an attribute is present, 0 where it is absent, NaN where the label is missing.
        groups: For every group the columns of its attributes; None where the data set has none.
        whole_training: (K, M) float32: all labels of the training rows, where ``values`` has only a part of them.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]
    groups: Mapping[str, tuple[int, ...]] | None = None
    whole_training: npt.NDArray[np.float32] | None = None

    def known(self) -> npt.NDArray[np.bool_]:
        """Return which rows have a label: (N,) bool."""
        return np.asarray(~np.isnan(self.values).all(axis=1))


@dataclass(frozen=True, eq=False)
class ClassLabels:
    """One class a picture.

    Args:
        names: The C classes' names.
        values: (N,) int64 in [0, C), -1 where the label is missing.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.int64]

    def known(self) -> npt.NDArray[np.bool_]:
        """Return which rows have a label: (N,) bool."""
        return self.values >= 0


@dataclass(frozen=True, eq=False)
class YearLabels:
    """Ages.

    Args:
        values: (N,) float32, in years, NaN where the label is missing.
    """

    values: npt.NDArray[np.float32]

    def known(self) -> npt.NDArray[np.bool_]:
        """Return which rows have a label: (N,) bool."""
        return ~np.isnan(self.values)


Labels = AttributeLabels | ClassLabels | YearLabels


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Pictures with their labels, partition and people; nothing is decoded yet.

    Args:
        data: The data set's name, as on the command line.
        pictures: N encoded pictures.
        labels: Labels of the N pictures, by what they say: ``"attributes"``, ``"identity"``, ``"age"``, ``"race"`` or
            ``"class"``.
        split: (N,) str: ``"train"``, ``"valid"`` or ``"test"``.
        person: (N,) int64: the number of the person shown, -1 where it is not known; None if nothing is known.
        notes: Sentences on the data that every report repeats, such as which rows a rule removed.
        label_notes: The same on one kind of labels, by its key, for reports on these labels alone.

    Raises:
        ValueError: If the parts do not fit together.
    """

    data: str
    pictures: PictureSource
    labels: Mapping[str, Labels]
    split: npt.NDArray[np.str_]
    person: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = field(default=())
    label_notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that every part has one entry a picture."""
        rows = len(self.pictures)
        lengths = {"split": len(self.split), **{name: len(part.values) for name, part in self.labels.items()}}
        if self.person is not None:
            lengths["person"] = len(self.person)
        wrong = {name: length for name, length in lengths.items() if length != rows}
        if wrong:
            raise ValueError(f"every part must have {rows} rows, one a picture; got {wrong}")
        unknown = sorted(set(np.unique(self.split).tolist()) - set(SPLITS))
        if unknown:
            raise ValueError(f"split must hold {', '.join(SPLITS)}, got {', '.join(unknown)}")

    def __len__(self) -> int:
        """Return N, the number of pictures."""
        return len(self.pictures)

    def rows(self, selection: npt.NDArray[Any]) -> Self:
        """Return some rows.

        Args:
            selection: (N,) bool, True for the rows to keep; or an array of row numbers.
        """
        rows = np.arange(len(self))[selection]
        return replace(
            self,
            pictures=self.pictures.take(rows),
            labels={name: replace(part, values=part.values[rows]) for name, part in self.labels.items()},
            split=self.split[rows],
            person=None if self.person is None else self.person[rows],
        )

    def subset(self, split: str) -> Self:
        """Return the rows of one partition, in their order."""
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        return self.rows(self.split == split)

    def with_label(self, name: str) -> Self:
        """Return the rows whose label ``name`` is known.

        Raises:
            DataError: If the data set has no such labels, or no row has one.
        """
        if name not in self.labels:
            raise DataError(f"{self.data} has no labels of the kind {name}; it has {', '.join(self.labels)}")
        known = self.labels[name].known()
        if not known.any():
            raise DataError(f"{self.data}: no picture has a label of the kind {name}")
        return self if known.all() else self.rows(known)


def fingerprint(catalogue: Catalogue, *, pictures: int = 16) -> str:
    """Return a digest of names, partition, labels and groups, and of some pictures; the same wherever the files lie.

    Args:
        catalogue: The data.
        pictures: How many pictures, evenly spaced, are read byte by byte; one that cannot be read counts as empty.
    """
    digest = hashlib.sha256()
    count = len(catalogue)
    for part in ([catalogue.pictures.name(row) for row in range(count)], catalogue.split.tolist()):
        digest.update("\n".join(part).encode() + b"\0")
    for name, labels in sorted(catalogue.labels.items()):
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(labels.values).tobytes())
        if not isinstance(labels, YearLabels):
            digest.update("\n".join(labels.names).encode() + b"\0")
        if isinstance(labels, AttributeLabels) and labels.groups is not None:
            digest.update(repr({group: list(columns) for group, columns in labels.groups.items()}).encode() + b"\0")
    for row in np.unique(np.linspace(0, count - 1, min(pictures, count)).astype(int)).tolist():
        try:
            digest.update(hashlib.sha256(catalogue.pictures.read(row)).digest())
        except DataError:
            digest.update(b"unreadable")
    return digest.hexdigest()


def seeded_split(
    keys: Sequence[Any] | npt.NDArray[Any], shares: Mapping[str, float], *, seed: int = 0
) -> npt.NDArray[np.str_]:
    """Divide rows among partitions at random, so that rows of one key stay together.

    Args:
        keys: (N,) what may not be divided: a person, or the row's own number.
        shares: The share of keys of each partition; the first one takes what rounding leaves.
        seed: Of the division.

    Returns:
        (N,) str.
    """
    distinct, number = np.unique(np.asarray(keys), return_inverse=True)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(distinct))
    names = list(shares)
    counts = [round(shares[name] * len(distinct)) for name in names[1:]]
    boundaries = np.cumsum([len(distinct) - sum(counts), *counts])
    part = np.empty(len(distinct), dtype=np.int64)
    part[order] = np.searchsorted(boundaries, np.arange(len(distinct)), side="right")
    return np.array(names)[part[number]]
