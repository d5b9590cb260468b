"""The relation over time: snapshots taken while a model trains, or the counts of consecutive parts of a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.errors import check_choice, check_label_names, check_number
from obrl.measures import MEASURES, apply_measure
from obrl.namespace import NUMPY
from obrl.relation import OnlineBatchRelation
from obrl.storage import read_arrays, write_arrays

FORMAT_VERSION = 1
COUNTS = ("counts_n", "counts_s", "counts_r")
NEEDED = ("history_version", "steps", "measure")


class _Snapshot(NamedTuple):
    """The relation at one step.

    Attributes:
        number: how many snapshots were taken before it, those that are gone included.
        step: of the run.
        relation: (num_labels, num_labels) float32, NaN where undefined.
        thresholds: the positive and the negative one, NaN where they are not known.
    """

    number: int
    step: int
    relation: npt.NDArray[np.float32]
    thresholds: tuple[float, float]


class History:
    """The relation at several steps, in bounded memory.

    Snapshots come from `append`, one for each moment of a training run that matters. Once there are more than `most`,
    every second one goes, and from then on every second one is taken, so that those that stay are evenly spaced over
    the whole run; the newest is always among them. A history of a table (`from_counts`) holds the counts of
    consecutive parts of the rows instead, from which drift can be tested.

    Args:
        label_names: one distinct name a label; by default those of the first relation.
        measure: of the relations, a key of `obrl.MEASURES`.
        most: snapshots at a time, at least 2.

    Attributes:
        label_names: the names, or None.
        measure: on whose scale the relation is.
        counts: of a table's parts: `PairCounts` of integers; s has the shape (steps, num_labels, num_labels), and the
            others broadcast to it. None for a history of training.
        error_ratio: (num_labels, num_labels) float32, by how much the standard error of phi for dependent rows exceeds
            that for independent ones, where the table had groups; on the diagonal the same of how often labels are
            present. Else None.

    Raises:
        TypeError, ValueError: an argument of another type or outside its range.

    Example:
        >>> from obrl import OnlineBatchRelation
        >>> relation, history = OnlineBatchRelation(2, decay=0.5), History(label_names=["hat", "beard"])
        >>> for step, targets in enumerate([[[1, 1], [0, 0]], [[1, 0], [0, 1]]], start=1):
        ...     history.append(step, relation.update(targets), thresholds=(0.8, 0.2))
        >>> history.steps
        array([1, 2])
        >>> history.relation[:, 0, 1].round(2)
        array([1.  , 0.33], dtype=float32)
    """

    def __init__(
        self, *, label_names: Sequence[str] | None = None, measure: str = "unit_pearson", most: int = 64
    ) -> None:
        check_choice("measure", measure, tuple(MEASURES))
        if isinstance(most, bool) or not isinstance(most, int) or most < 2:
            raise ValueError(f"most must be a whole number of at least 2, got {most!r}")
        self.label_names = None if label_names is None else check_label_names(label_names, len(label_names))
        self.measure = measure
        self.most = most
        self.counts: PairCounts | None = None
        self.error_ratio: npt.NDArray[np.float32] | None = None
        self._stride = 1
        self._snapshots: list[_Snapshot] = []
        self._ends = np.zeros(0, np.int64)

    @classmethod
    def from_counts(
        cls,
        rows: npt.ArrayLike,
        counts: PairCounts,
        *,
        label_names: Sequence[str] | None = None,
        measure: str = "unit_pearson",
        error_ratio: npt.ArrayLike | None = None,
    ) -> Self:
        """The history of a table, from the counts of consecutive parts of its rows.

        Args:
            rows: (parts,), the number of rows up to the end of each part, rising: the steps of the history.
            counts: of the parts; integers. s has the shape (parts, num_labels, num_labels); the others broadcast to it,
                as in `PairCounts`, with the parts as first axis.
            label_names: one distinct name a label.
            measure: a key of `obrl.MEASURES`.
            error_ratio: (num_labels, num_labels), as in `History.error_ratio`.

        Raises:
            TypeError, ValueError: arrays of other shapes or dtypes, or another measure.
        """
        ends = np.asarray(rows)
        shape = np.shape(counts.s)
        if len(shape) != 3 or shape[1] != shape[2] or ends.shape != shape[:1] or not shape[0]:
            raise ValueError(
                f"expected rows of shape (parts,) and counts of (parts, M, M), got {ends.shape} and {shape}"
            )
        for name, field in (("rows", ends), *zip(PairCounts._fields, counts, strict=True)):
            if np.asarray(field).dtype.kind not in "iu":
                raise TypeError(f"{name} must be integers, got {np.asarray(field).dtype}")
        if (np.diff(ends, prepend=0) <= 0).any():
            raise ValueError("rows must rise from part to part, got others")
        history = cls(label_names=check_label_names(label_names, shape[1]), measure=measure)
        for name, field in zip(PairCounts._fields, counts, strict=True):
            if np.shape(field)[:1] != shape[:1] or np.broadcast_shapes(np.shape(field), shape) != shape:
                raise ValueError(f"{name} must broadcast to the shape of s {shape}, got {np.shape(field)}")
        history.counts = PairCounts(*(np.asarray(field) for field in counts))
        history._ends = ends.astype(np.int64)
        if error_ratio is not None:
            history.error_ratio = np.asarray(error_ratio, np.float32)
            if history.error_ratio.shape != shape[1:]:
                raise ValueError(f"error_ratio must have shape {shape[1:]}, got {history.error_ratio.shape}")
        return history

    def append(self, step: int, relation: OnlineBatchRelation, thresholds: tuple[float, float] | None = None) -> None:
        """Add the relation as it is now.

        Args:
            step: of the run, above the step before.
            relation: of as many labels as before, of the measure of this history; it is copied. The `to_numpy()` of
                any framework's relation gives it.
            thresholds: the positive and the negative one at this step.

        Raises:
            TypeError: no `obrl.OnlineBatchRelation`, or a step that is no whole number.
            ValueError: other labels or another measure, a step that is not above the last, thresholds that are no
                numbers, or the history of a table, which takes no snapshots. The history is then as it was.
        """
        if self.counts is not None:
            raise ValueError("expected a history of training to append to, got that of a table, which holds counts")
        if not isinstance(relation, OnlineBatchRelation):
            raise TypeError(f"relation must be an obrl.OnlineBatchRelation, got {type(relation).__name__}")
        if isinstance(step, bool) or not isinstance(step, (int, np.integer)):
            raise TypeError(f"step must be a whole number, got {step!r}")
        if self._snapshots and step <= self._snapshots[-1].step:
            raise ValueError(f"step must be above the last step {self._snapshots[-1].step}, got {step}")
        self._check_fits(relation.settings.measure, relation.num_labels, relation.label_names)
        limits = (np.nan, np.nan) if thresholds is None else thresholds
        high, low = (check_number(f"thresholds[{i}]", limit) for i, limit in enumerate(limits))
        self.label_names = self.label_names or relation.label_names
        number = self._snapshots[-1].number + 1 if self._snapshots else 0
        if self._snapshots and self._snapshots[-1].number % self._stride:
            self._snapshots.pop()  # it stayed only while it was the newest
        self._snapshots.append(_Snapshot(number, int(step), relation.relation.astype(np.float32), (high, low)))
        if len(self._snapshots) > self.most:
            self._stride *= 2
            newest = self._snapshots[-1]
            self._snapshots = [each for each in self._snapshots if not each.number % self._stride or each is newest]

    def _check_fits(self, measure: str, num_labels: int, label_names: tuple[str, ...] | None) -> None:
        """Raise ValueError unless a relation of this measure and these labels can be appended."""
        if measure != self.measure:
            raise ValueError(f"relation must have measure={self.measure!r}, got {measure!r}")
        if num_labels != (self.num_labels or num_labels):
            raise ValueError(f"relation must have {self.num_labels} labels, got {num_labels}")
        if None not in (self.label_names, label_names) and self.label_names != label_names:
            raise ValueError("relation must have the label names of this history, got others")

    def forget_from(self, step: int) -> None:
        """Drop the snapshots of this step and later ones, as a run needs that is resumed at an earlier step."""
        self._snapshots = [snapshot for snapshot in self._snapshots if snapshot.step < step]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def num_labels(self) -> int:
        """M; 0 for a history without names and snapshots."""
        if self.counts is not None:
            return int(self.counts.s.shape[1])
        return len(self._snapshots[0].relation) if self._snapshots else len(self.label_names or ())

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """The steps, (T,), rising; for a table the rows up to the end of each part."""
        if self.counts is not None:
            return self._ends.copy()
        return np.array([snapshot.step for snapshot in self._snapshots], np.int64)

    @property
    def relation(self) -> npt.NDArray[np.float32]:
        """The relation at each step, (T, num_labels, num_labels), NaN where undefined; a copy."""
        stack = np.full((len(self), self.num_labels, self.num_labels), np.nan, np.float32)
        if self.counts is None:
            for position, snapshot in enumerate(self._snapshots):
                stack[position] = snapshot.relation
            return stack
        for position in range(len(stack)):
            part = PairCounts(*(field[position].astype(np.float64) for field in self.counts))
            value, defined = apply_measure(NUMPY, self.measure, part)
            np.copyto(stack[position], value, where=defined > 0, casting="same_kind")
        return stack

    def at(self, position: int, i: npt.NDArray[np.intp], j: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """The relation of the pairs (i, j) alone at the step `steps[position]`, (pairs,), NaN where undefined."""
        if self.counts is None:
            return self._snapshots[position].relation[i, j]
        shape = self.counts.s.shape[1:]
        part = PairCounts(*(np.broadcast_to(field[position], shape)[i, j].astype(np.float64) for field in self.counts))
        value, defined = apply_measure(NUMPY, self.measure, part)
        return np.where(defined > 0, value, np.nan).astype(np.float32)

    @property
    def thresholds(self) -> npt.NDArray[np.float64]:
        """The positive and the negative threshold at each step, (T, 2), NaN where they are not known."""
        if self.counts is not None:
            return np.full((len(self), 2), np.nan)
        return np.array([snapshot.thresholds for snapshot in self._snapshots], np.float64).reshape(-1, 2)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an .npz without pickle, under exactly this name; it appears whole or not at all."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "history_version": np.array(FORMAT_VERSION),
            "steps": self.steps,
            "measure": np.array(self.measure),
        }
        if self.label_names is not None:
            arrays["label_names"] = np.array(self.label_names, dtype=np.str_)
        if self.counts is not None:
            arrays |= dict(zip(COUNTS, self.counts, strict=False))
            arrays |= {} if self.error_ratio is None else {"error_ratio": self.error_ratio}
        else:
            arrays |= {
                "relation": self.relation,
                "thresholds": self.thresholds,
                "numbers": np.array([snapshot.number for snapshot in self._snapshots], np.int64),
                "stride": np.array(self._stride),
                "most": np.array(self.most),
            }
        write_arrays(path, arrays, compressed=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; more snapshots can be appended where it was a history of training.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no history, is damaged, or has a newer format.
        """
        arrays = read_arrays(path, "history", NEEDED)
        try:
            return cls._from_arrays(arrays)
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"expected a history written by obrl, got {os.fspath(path)}: {error}") from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, npt.NDArray[Any]]) -> Self:
        version = int(arrays["history_version"])
        if version != FORMAT_VERSION:
            raise ValueError(f"expected a history of format version {FORMAT_VERSION}, got {version}")
        names = None if "label_names" not in arrays else tuple(arrays["label_names"].tolist())
        measure, steps = str(arrays["measure"]), arrays["steps"]
        if COUNTS[0] in arrays:
            n, s, r = (arrays[name] for name in COUNTS)
            counts, ratio = PairCounts(n, s, r, r.swapaxes(-1, -2)), arrays.get("error_ratio")
            return cls.from_counts(steps, counts, label_names=names, measure=measure, error_ratio=ratio)
        history = cls(label_names=names, measure=measure, most=int(arrays["most"]))
        relation, limits, numbers = (arrays[name] for name in ("relation", "thresholds", "numbers"))
        size = len(names) if names is not None else relation.shape[-1]
        if (relation.shape, limits.shape, numbers.shape) != ((len(steps), size, size), (len(steps), 2), steps.shape):
            raise ValueError(f"expected {len(steps)} relations of {size} labels, got arrays of other shapes")
        history._stride = int(arrays["stride"])
        history._snapshots = [
            _Snapshot(number, step, matrix.astype(np.float32), (high, low))
            for number, step, matrix, (high, low) in zip(
                numbers.tolist(), steps.tolist(), relation, limits.tolist(), strict=True
            )
        ]
        return history
