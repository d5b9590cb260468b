"""See in training what a relation does: its heat map, its active pairs, and the share of the relation loss.

`Monitor` is for training loops that users write, in every framework; `obrl.torch.lightning.OBRMonitor` and
`obrl.keras.OBRMonitor` are callbacks that use it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from obrl.arrays import host_array
from obrl.criterion import batch_problem, checked_batch
from obrl.errors import check_whole_number
from obrl.history import History
from obrl.monitor_sinks import Measurement, as_sinks
from obrl.namespace import NUMPY
from obrl.online import RelationState, is_symmetric, select_pairs
from obrl.pictures import heat_map
from obrl.problem import evaluate
from obrl.relation import OnlineBatchRelation
from obrl.settings import Settings

Measurement.__module__ = heat_map.__module__ = "obrl.monitor"

__all__ = ["Measurement", "Monitor", "heat_map"]

SAVED_AT_ONCE = 2**20
"""Numbers: a history of so many is written at each logged step, in some hundredths of a second; a longer one seldom."""
NOT_MEASURED = (float("nan"), float("nan"))


class Arrays(NamedTuple):
    """The arguments of a call of a criterion, arrays of any framework."""

    logits: Any
    targets: Any
    observed: Any = None
    sample_weight: Any = None


class Monitor:
    """Logs every few steps what a criterion does, and records its relation over time.

    A logged step copies the relation, and the logits and targets if they are given, to the host and computes there in
    NumPy. It changes no number of the training: no random number is drawn, and nothing is added to a graph. On other
    steps `log` compares two integers.

    Args:
        sinks: where to write; one or a sequence of: a path that ends in .csv; any other path, a folder for TensorBoard;
            a SummaryWriter; a run of Weights & Biases.
        every: log the steps that are multiples of it.
        history: a file for the relation over time, an .npz that `obrl history` and `obrl.history.History` read;
            `close` writes it, and up to some hundred labels each logged step. Where it exists, it is continued. A
            criterion that `log` gets a name for has a file with that name in the name.

    Raises:
        TypeError: a sink of another kind, or `every` that is no whole number.
        ValueError: `every` below 1, or a file that is no history of a training.

    A run that was resumed goes on with its step numbers: rows of the CSV and snapshots of the history from its first
    logged step on are replaced, and TensorBoard hides what it had of these steps. In distributed training create a
    monitor on one process only; it takes part in no collective.

    Example:
        >>> from obrl import OBRLoss
        >>> criterion = OBRLoss(3)
        >>> logits, targets = np.zeros((4, 3)), np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
        >>> with Monitor([], every=2) as monitor:
        ...     for step in range(1, 3):
        ...         loss = criterion(logits, targets)
        ...         measured = monitor.log(step, criterion, logits=logits, targets=targets)
        >>> measured.pairs_together, measured.pairs_apart, round(measured.share_of_loss, 4)
        (1, 2, 0.0507)
    """

    def __init__(self, sinks: Any, *, every: int = 100, history: str | os.PathLike[str] | None = None) -> None:
        self.every = check_whole_number("every", every, least=1)
        self._sinks = as_sinks(sinks)
        self._history_path = None if history is None else Path(history)
        if self._history_path is not None and self._history_path.exists():
            load_history(self._history_path)
        self._histories: dict[str, History] = {}
        self._first = "relation"  # the name of the criterion whose history has exactly that file

    def expect(self, criteria: Mapping[str, Any]) -> None:
        """Say before a training which criteria will be logged, so that a history of others is refused now.

        Args:
            criteria: by their names; the first has the history's file, whatever its name.

        Raises:
            ValueError: a file that is no history of a training, or one of another measure or of other labels.
        """
        self._first = next(iter(criteria), self._first)
        if self._history_path is not None:
            for name, criterion in criteria.items():
                self._history_of(name, criterion)

    def log(
        self,
        step: int,
        criterion: Any,
        state: Any = None,
        *,
        logits: Any = None,
        targets: Any = None,
        observed: Any = None,
        sample_weight: Any = None,
        name: str = "relation",
    ) -> Measurement | None:
        """Log a step that is a multiple of `every`; on any other do nothing.

        Args:
            step: of the training.
            criterion: an `OBRLoss`, `RelationLoss` or `OBRLossLayer` of any framework.
            state: JAX's state, as the step's call of the criterion returned it; None elsewhere.
            logits: x, (batch, num_labels), of this step. Without them the shares are not measured; nor are they for a
                `RelationLoss`, which does not know the rest of the loss, or with a function for `cross_entropy`, which
                may not run in NumPy.
            targets: y, (batch, num_labels), as the criterion got them.
            observed: likewise.
            sample_weight: likewise.
            name: of the criterion in the logs; several criteria need a name each.

        Returns:
            What was measured, or None where nothing was.

        Raises:
            TypeError, ValueError: arrays that the criterion would refuse, or a history of another measure or of other
                labels, which stays as it was.
        """
        if step % self.every:
            return None
        batch = None if logits is None else Arrays(logits, targets, observed, sample_weight)
        return self.record(step, criterion, state, batch=batch, name=name)

    def record(
        self, step: int, criterion: Any, state: Any = None, *, batch: Arrays | None = None, name: str = "relation"
    ) -> Measurement:
        """Log a step, whatever `every` says; as `log`, with the batch in one tuple."""
        on_host = RelationState(*map(np.asarray, state)) if state is not None else criterion._host_state()
        settings = criterion.settings
        together, apart = (_count_pairs(selected, settings) for selected in select_pairs(NUMPY, on_host, settings))
        shares = NOT_MEASURED
        if batch is not None and criterion._joint and criterion.cross_entropy == "bce":
            of_loss = {"pos_weight": criterion.pos_weight, "ignore_index": criterion.ignore_index}
            shares = measure_shares(on_host, settings, batch, **of_loss)
        measurement = Measurement(together, apart, *shares)
        relation = OnlineBatchRelation.from_state(on_host, settings, criterion.label_names)
        if self._history_path is not None:
            history = self._history_of(name, criterion)
            history.forget_from(step)
            history.append(step, relation, (settings.positive_threshold, settings.negative_threshold))
            if len(history) * relation.num_labels**2 <= SAVED_AT_ONCE:
                history.save(self._path_of(name))
        picture = heat_map(relation.relation, measure=settings.measure)
        for sink in self._sinks:
            sink.write(step, name, measurement, picture)
        return measurement

    def _history_of(self, name: str, criterion: Any) -> History:
        path, measure = self._path_of(name), criterion.settings.measure
        history = self._histories.get(name)
        if history is None:
            history = load_history(path) if path.exists() else History(measure=measure)
        try:
            history._check_fits(measure, criterion.num_labels, criterion.label_names)
        except ValueError as error:
            raise ValueError(f"{path} does not fit {name!r}: {error}; name another file") from error
        self._histories[name] = history
        return history

    def _path_of(self, name: str) -> Path:
        assert self._history_path is not None
        return file_of(self._history_path, name, first=self._first)

    def save(self) -> None:
        """Write the history as it is now; without a snapshot there is none."""
        for name, history in self._histories.items():
            if len(history):
                history.save(self._path_of(name))

    def close(self) -> None:
        """Write the history, and close the files; a writer or run that was handed in stays open."""
        self.save()
        for sink in self._sinks:
            sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def load_history(path: Path) -> History:
    """The history of a training; raise ValueError where the file is none."""
    history = History.load(path)
    if history.counts is not None:
        raise ValueError(f"expected a history of training to go on with, got that of a table: {path}")
    return history


def file_of(path: str | os.PathLike[str], name: str, *, first: str) -> Path:
    """The file of one of several criteria: the path for the first, one with its name for any other.

    Its folder is made if it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path if name == first else path.with_name(f"{path.stem}.{name.replace('/', '.')}{path.suffix}")


def _count_pairs(selected: npt.NDArray[np.bool_], settings: Settings) -> int:
    return int(np.count_nonzero(np.triu(selected) if is_symmetric(settings) else selected))


def measure_shares(
    state: RelationState,
    settings: Settings,
    batch: Arrays,
    *,
    pos_weight: Any = None,
    ignore_index: int | None = None,
) -> tuple[float, float]:
    """The relation loss's share of the loss and of the gradient on one batch, as `Measurement` defines them.

    Args:
        state: the accumulators, as NumPy arrays.
        settings: of the loss.
        batch: arrays of any framework.
        pos_weight: (num_labels,), or None.
        ignore_index: the number that marks missing targets, or None.

    Returns:
        Both shares in [0, 1]; 0 where the relation loss has no active pair, or everything is 0; NaN where a term or a
        norm is NaN or infinite.

    Raises:
        TypeError, ValueError: arrays that the criterion would refuse.
    """
    arrays = (None if part is None else host_array(name, part) for name, part in batch._asdict().items())
    checked = checked_batch(*arrays, num_labels=len(state.relation_weight), ignore_index=ignore_index)
    weights = None if pos_weight is None else host_array("pos_weight", pos_weight).tolist()
    problem = batch_problem(checked, state, settings, pos_weight=weights, reduction="mean", joint=True)
    terms, gradients = evaluate(NUMPY, checked.logits, problem, gradients_of="parts")
    _, cross_entropy, relation_loss = map(float, terms)
    norms = [float(np.linalg.norm(gradient)) for gradient in gradients]
    alpha = settings.alpha
    return share_of(alpha * max(relation_loss, 0.0), max(cross_entropy, 0.0)), share_of(alpha * norms[1], norms[0])


def share_of(part: float, rest: float) -> float:
    """How much of a sum one of its two parts is; 0 where both are, NaN where the part is NaN or infinite."""
    return 0.0 if part == 0 else part / (part + rest)
