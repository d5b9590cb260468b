"""A relation as a file: one .npz, no pickle, that every framework reads and writes."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.arrays import relation_matrix
from obrl.errors import check_label_names, check_matrix, metadata
from obrl.measures import MEASURES
from obrl.online import RelationState, state_shapes
from obrl.settings import Settings

FORMAT_VERSION = 1
ACCUMULATION_SETTINGS = ("decay", "measure", "estimator")
"""The settings that decide what the accumulators mean; a file made under others is refused."""


class StoredRelation(NamedTuple):
    """What a file holds."""

    state: RelationState
    settings: Settings
    label_names: tuple[str, ...] | None


def save_relation(
    path: str | os.PathLike[str],
    state: RelationState,
    settings: Settings,
    label_names: tuple[str, ...] | None,
    *,
    further: Mapping[str, npt.NDArray[Any]] = MappingProxyType({}),
) -> None:
    """Write a relation; the file appears whole or not at all.

    Args:
        path: the file, written under exactly this name.
        state: accumulators as NumPy arrays, stored in their dtype.
        settings: stored with them.
        label_names: stored with them where there are any.
        further: arrays by name that are stored beside the relation, and that `load_relation` passes over; the file is
            compressed then, since counts of many labels take much room.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "format_version": np.array(FORMAT_VERSION),
        "relation_sum": np.asarray(state.relation_sum),
        "relation_weight": np.asarray(state.relation_weight),
        "settings": np.array(json.dumps(asdict(settings))),
        **further,
    }
    if label_names is not None:
        arrays["label_names"] = np.array(label_names, dtype=np.str_)
    write_arrays(path, arrays, compressed=bool(further))


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, npt.NDArray[Any]], *, compressed: bool) -> None:
    """Write arrays by name as an .npz without pickle; the file appears whole or not at all."""
    with whole_file(path) as file:
        if not compressed:
            np.savez(file, allow_pickle=False, **arrays)
            return
        # NumPy compresses at zlib's level 6: for counts, level 1 takes a tenth of the time and a twentieth more room.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write bytes to, which appears once the block ends well, and not at all otherwise.

    Args:
        path: the file, under exactly this name; one that exists is replaced, and folders that are missing are made.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(f"{folder}/a.txt") as file:
        ...         _ = file.write(b"hello")
        ...     Path(folder, "a.txt").read_text()
        'hello'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            part.chmod(0o666 & ~_umask())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def load_relation(path: str | os.PathLike[str]) -> StoredRelation:
    """Read a relation.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no relation, is damaged, or has a newer format.
    """
    return interpret_arrays(load_arrays(path), path)


def load_arrays(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of a relation's file, those that `save_relation` got as `further` included.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no .npz, or lacks an array of a relation.
    """
    return read_arrays(path, "relation", ("format_version", "relation_sum", "relation_weight", "settings"))


def read_arrays(path: str | os.PathLike[str], what: str, needed: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an .npz without pickle.

    Args:
        path: the file.
        what: what it should hold, for errors, such as `"relation"`.
        needed: the names of arrays that it must have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no .npz, or lacks an array.
    """
    if Path(path).is_dir():
        raise ValueError(f"expected a {what}'s .npz, got the folder {os.fspath(path)}: name the file in it")
    if Path(path).is_file() and not zipfile.is_zipfile(path):
        raise ValueError(f"expected a {what} written by obrl (.npz), got {os.fspath(path)}, which is no .npz file")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (zipfile.BadZipFile, ValueError, EOFError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a {what} written by obrl (.npz), got {os.fspath(path)}: {error}") from error
    if missing := set(needed) - set(arrays):
        raise ValueError(f"expected a {what} written by obrl, but {os.fspath(path)} lacks {', '.join(sorted(missing))}")
    return arrays


def interpret_arrays(arrays: dict[str, npt.NDArray[Any]], path: str | os.PathLike[str]) -> StoredRelation:
    """The relation in the arrays of a file.

    Raises:
        ValueError: they hold none; the message names the file.
    """
    try:
        return _interpret(arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a relation written by obrl, got {os.fspath(path)}: {error}") from error


def _interpret(arrays: dict[str, npt.NDArray[Any]]) -> StoredRelation:
    """The relation in the arrays of a file; raises TypeError or ValueError where they hold none."""
    version = int(arrays["format_version"])
    if version != FORMAT_VERSION:
        raise ValueError(f"expected a relation of format version {FORMAT_VERSION}, got {version}")
    known = {field.name for field in fields(Settings)}
    stored: dict[str, Any] = json.loads(str(arrays["settings"]))
    if set(stored) != known:
        raise ValueError(f"expected the settings {sorted(known)}, got {sorted(stored)}")
    settings = Settings(**stored)
    state = RelationState(arrays["relation_sum"], arrays["relation_weight"])
    check_matrix("relation_weight", metadata(state.relation_weight))
    if state.relation_sum.dtype.kind not in "iuf":
        raise TypeError(f"relation_sum must be numeric, got {state.relation_sum.dtype}")
    size = state.relation_weight.shape[0]
    expected = state_shapes(size, settings.estimator).relation_sum
    if state.relation_sum.shape != expected:
        raise ValueError(f"relation_sum must have shape {expected}, got {state.relation_sum.shape}")
    if not all(np.isfinite(array).all() for array in state) or (state.relation_weight < 0).any():
        raise ValueError("the accumulators must be finite, and the weights at least 0")
    names = arrays.get("label_names")
    return StoredRelation(state, settings, check_label_names(None if names is None else names.tolist(), size))


def check_compatible(stored: Settings, expected: Settings) -> None:
    """Raise ValueError unless both accumulate in the same way."""
    for name in ACCUMULATION_SETTINGS:
        have, want = getattr(stored, name), getattr(expected, name)
        if have != want:
            raise ValueError(
                f"the relation must have been accumulated with {name}={want!r}, got {name}={have!r}; "
                "its method as_start() fits a mined relation to a loss"
            )


def state_from_matrix(matrix: npt.ArrayLike, settings: Settings, num_labels: int) -> RelationState:
    """Accumulators that start from a given relation matrix.

    The matrix weighs as much as an endless history of batches, 1 / (1 - decay), so that it fades at the rate of the
    moving average; with decay 1, where a history has no such limit, it counts as one batch.

    Args:
        matrix: (num_labels, num_labels), on the scale of `settings.measure`; NaN, or masked, where nothing is known.
        settings: decay, measure and estimator count.
        num_labels: the number of labels.

    Raises:
        ValueError: a wrong shape, values outside the measure's range, a matrix that is not symmetric where the
            measure is, or the estimator `"counts"`, whose counts no matrix holds.
    """
    if settings.estimator == "counts":
        raise ValueError(
            'a relation matrix cannot start estimator="counts", which averages pair counts: expected an '
            'OnlineBatchRelation or its .npz, or estimator="batch", got a matrix'
        )
    values = relation_matrix(matrix)
    check_matrix("relation", metadata(values), num_labels=num_labels)
    values = values.astype(np.float64)
    measure = MEASURES[settings.measure]
    known = ~np.isnan(values)
    seen = values[known]
    slack = 1e-6  # a matrix computed in float32 may pass its limit by a rounding
    if seen.size and not (seen.min() >= measure.low - slack and seen.max() <= measure.high + slack):
        raise ValueError(
            f"relation must lie in [{measure.low}, {measure.high}], the range of {settings.measure!r}, "
            f"got values from {seen.min():g} to {seen.max():g}"
        )
    if measure.symmetric and not np.allclose(values, values.T, rtol=0, atol=slack, equal_nan=True):
        raise ValueError(f"relation must be symmetric, as {settings.measure!r} is, got a matrix that is not")
    if measure.symmetric:
        values = (values + values.T) / 2  # exactly, so that a pair never lies on both sides of a threshold
    weight = np.where(known, 1.0 if settings.decay == 1 else 1.0 / (1.0 - settings.decay), 0.0)
    return RelationState(np.where(known, values, 0.0) * weight, weight)
