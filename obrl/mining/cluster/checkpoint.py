"""Results of pieces of a table as files, from which an interrupted run goes on.

Each is an .npz without pickle and then its SHA-256, named by the hash of all that it depends on: the file with its size
and time, the row groups, the settings. It appears whole or not at all; one that is damaged, or says that it is of
something else, is passed over.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.batches import WholeBatches
from obrl.mining.cluster.segments import Segment
from obrl.mining.errors import MiningError
from obrl.mining.output import PART
from obrl.online import RelationState

SUFFIX = ".checkpoint"
DIGEST_BYTES = hashlib.sha256().digest_size
FIELDS = ("n", "s", "r")
# Names that begin with an underscore are no tables where a folder of tables is read.
NAMES = re.compile(r"_[0-9a-f]{64}\.npz(\.\w+)?(\.part)?")
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of mining one task.

    Attributes:
        segment: of its rows.
        occurred: for each of its pieces, which values occurred.
        seconds_counting: how long counting took.
    """

    segment: Segment
    occurred: tuple[tuple[bool, ...], ...]
    seconds_counting: float


def to_bytes(result: TaskResult, key: str) -> bytes:
    """A result as the content of a file.

    Args:
        result: of a task.
        key: of the task.
    """
    segment = result.segment
    arrays: Arrays = {
        "key": np.array(key),
        "rows": np.array([segment.first_row, segment.rows]),
        "occurred": np.array(result.occurred, bool),
        "seconds_counting": np.array(result.seconds_counting),
        "parts": np.array(sorted(segment.parts), np.int64),
    }
    for number, counts in segment.parts.items():
        arrays |= _counts_to_arrays(f"part_{number}", counts)
    for name, partial in (("head", segment.head), ("tail", segment.tail)):
        arrays |= {} if partial is None else _counts_to_arrays(name, partial)
    if segment.whole is not None:
        arrays |= dict(zip(("whole_sum", "whole_weight"), segment.whole.state, strict=True))
        arrays["whole_number"] = segment.whole.number
    if segment.groups is not None:
        arrays["groups"] = segment.groups
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    content = file.getvalue()
    return content + hashlib.sha256(content).digest()


def from_file(path: Path, key: str) -> TaskResult | None:
    """The result of a task from a file; None where there is none, or it is damaged or of something else."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if str(arrays["key"]) != key:
        return None
    first_row, rows = (int(value) for value in arrays["rows"])
    parts = {number: _counts_from(arrays, f"part_{number}") for number in arrays["parts"].tolist()}
    whole = None
    if "whole_number" in arrays:
        state = RelationState(arrays["whole_sum"], arrays["whole_weight"])
        whole = WholeBatches(state, arrays["whole_number"])
    head, tail = (_counts_from(arrays, name) if f"{name}_n" in arrays else None for name in ("head", "tail"))
    segment = Segment(first_row, rows, parts, head, whole, tail, arrays.get("groups"))
    occurred = tuple(tuple(flags) for flags in arrays["occurred"].tolist())
    return TaskResult(segment, occurred, float(arrays["seconds_counting"]))


class Checkpoint:
    """A folder of results.

    Args:
        folder: is made with the first result.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def check(self) -> None:
        """Raise MiningError where the folder's place is taken by a file."""
        if self.folder.exists() and not self.folder.is_dir():
            raise MiningError(f"{self.folder}: expected a folder for the checkpoint, got a file; move it away")

    def path(self, key: str) -> Path:
        """Where the result of a task lies."""
        return self.folder / f"_{hashlib.sha256(key.encode()).hexdigest()}.npz"

    def read(self, key: str) -> TaskResult | None:
        """The result of a task; None where it has to be computed."""
        return from_file(self.path(key), key)

    def write(self, key: str, data: bytes) -> None:
        """Store the result of a task; raises MiningError where nothing can be written."""
        target = self.path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=self.folder, prefix=f"{target.name}.", suffix=PART, delete=False
            ) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(target)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise MiningError(f"{self.folder}: the checkpoint cannot be written: {reason}; make room there") from error

    def remove(self) -> None:
        """Delete all results, and the folder if nothing else is in it."""
        if not self.folder.is_dir():
            return
        for file in self.folder.iterdir():
            if NAMES.fullmatch(file.name):
                file.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def _counts_to_arrays(name: str, counts: PairCounts) -> Arrays:
    return {f"{name}_{field}": np.asarray(array) for field, array in zip(FIELDS, counts, strict=False)}


def _counts_from(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> PairCounts:
    n, s, r = (arrays[f"{name}_{field}"] for field in FIELDS)
    return PairCounts(n, s, r, r.T)
