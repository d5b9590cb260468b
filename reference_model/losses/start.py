"""What the relation of the joint loss starts from: nothing, the training labels as a whole, or a file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl import OnlineBatchRelation
from reference_model.attributes import normalise_name
from reference_model.config import RelationConfig


class RelationStart(NamedTuple):
    """What the relation of a new loss starts from.

    Attributes:
        relation: The relation; None where it starts empty.
        origin: Where it comes from, in plain values for the report: always ``source``; and ``rows`` and
            ``mining_seconds`` of a global one, ``file`` and ``sha256`` of one from a file.
    """

    relation: OnlineBatchRelation | None
    origin: dict[str, Any]


def start_relation(config: RelationConfig, targets: npt.ArrayLike, names: Sequence[str]) -> RelationStart:
    """Return what the settings start the relation from.

    Args:
        config: The settings.
        targets: Labels of the training partition, as `mine_relation` takes them.
        names: Names of the labels.

    Raises:
        ValueError: As `read_relation`.
    """
    origin: dict[str, Any] = {"source": config.source}
    if config.source == "global":
        started = time.perf_counter()
        relation = mine_relation(targets, names, config)
        seconds = time.perf_counter() - started
        return RelationStart(relation, {**origin, "rows": len(np.asarray(targets)), "mining_seconds": seconds})
    if config.file is None:
        return RelationStart(None, origin)
    relation = read_relation(config, names)
    digest = hashlib.sha256(config.file.read_bytes()).hexdigest()
    return RelationStart(relation, {**origin, "file": str(config.file), "sha256": digest})


def mine_relation(targets: npt.ArrayLike, names: Sequence[str], config: RelationConfig) -> OnlineBatchRelation:
    """Measure the relation of a whole table of labels at once, as one batch of Eq. 1.

    Args:
        targets: (N, num_labels) in [0, 1], NaN where missing; a pair is measured over the rows where both are known.
        names: Names of the labels.
        config: Measure and estimator. The decay plays no part in a single batch, and is that of the loss.
    """
    relation = OnlineBatchRelation(
        len(names),
        decay=config.decay,
        measure=config.measure,
        estimator=config.estimator,
        label_names=tuple(names),
    )
    return relation.update(targets)


def read_relation(config: RelationConfig, names: Sequence[str] | None = None) -> OnlineBatchRelation:
    """Read the relation of the setting ``relation.file``, for a loss with these settings.

    Args:
        config: The settings. A relation that never moves does not depend on the decay, so a file of another decay is
            taken then.
        names: Names of the labels, compared in their normalised spelling; None leaves them unchecked.

    Raises:
        ValueError: If there is no such file, or it holds no relation, or one of other labels, or one that was
            accumulated in another way.
    """
    path = config.file
    if path is None or not path.is_file():
        raise ValueError(
            f"relation.file {path}: no such file; expected the relation.npz of a run that was trained with the joint "
            "loss"
        )
    try:
        stored = OnlineBatchRelation.load(path)
    except ValueError as error:
        raise ValueError(f"relation.file: {error}; give the relation.npz of a run") from None
    for name in ("measure", "estimator") if config.source == "file" else ("measure", "estimator", "decay"):
        there, here = getattr(stored.settings, name), getattr(config, name)
        if there != here:
            raise ValueError(
                f"relation.file {path} was accumulated with relation.{name} {there}, and this run has {here}; give "
                f"--relation.{name} {there}, or the file of another run"
            )
    settings = replace(stored.settings, decay=config.decay)
    if names is None:
        return OnlineBatchRelation.from_state(stored.state, settings, stored.label_names)
    _check_labels(config, stored, names)
    return OnlineBatchRelation.from_state(stored.state, settings, tuple(names))


def _check_labels(config: RelationConfig, stored: OnlineBatchRelation, names: Sequence[str]) -> None:
    remedy = "give the file of a run on the same labels in the same order, or --relation.source global"
    if stored.num_labels != len(names):
        raise ValueError(
            f"relation.file {config.file} relates {stored.num_labels} labels, and the data has {len(names)}; {remedy}"
        )
    for place, (there, here) in enumerate(zip(stored.label_names or names, names, strict=True)):
        if normalise_name(there) != normalise_name(here):
            raise ValueError(
                f"relation.file {config.file} has other labels than the data: label {place} is {there!r} there and "
                f"{here!r} here; {remedy}"
            )


class EpochClock:
    """The seconds of the last whole epoch, also of one that was interrupted and resumed.

    What was done after the last checkpoint and lost is not counted, nor is the pause.
    """

    def __init__(self) -> None:
        self._before = 0.0
        self._started: float | None = None
        self._last = 0.0

    def start(self) -> None:
        """Start the epoch; nothing is done where it is running."""
        if self._started is None:
            self._started = time.monotonic()

    def stop(self) -> None:
        """End the epoch."""
        self._last, self._before, self._started = self._elapsed(), 0.0, None

    @property
    def seconds(self) -> float:
        """Seconds of the last epoch that has ended; 0 before."""
        return self._last

    def _elapsed(self) -> float:
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def state_dict(self) -> dict[str, float]:
        """Return the seconds of the epoch so far and of the last one."""
        return {"epoch": self._elapsed(), "last_epoch": self._last}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from the seconds of `state_dict`."""
        self._before, self._last, self._started = state["epoch"], state["last_epoch"], None
