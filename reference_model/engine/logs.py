"""The run's numbers: ``metrics.csv`` with one row an epoch, and a line an epoch on the console."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from reference_model.engine.processes import this_rank
from reference_model.runs import RunError, write_atomically


class MetricsFile(Logger):
    """Writes ``metrics.csv``; a resumed run continues after the rows up to its checkpoint.

    Lightning's CSVLogger deletes the rows of the run that it continues, hence this one.

    Args:
        path: The file.
        resume_step: Keep the rows up to this step; None starts an empty file.
    """

    def __init__(self, path: Path, *, resume_step: int | None = None) -> None:
        super().__init__()
        self.path = path
        self._rows: dict[int, dict[str, str]] = {}
        if resume_step is not None and path.exists():
            try:
                rows = _read_rows(path)
            except ValueError as error:
                raise RunError(
                    f"{path} is damaged ({error}); delete it, which loses the figures of the epochs so far"
                ) from error
            self._rows = {step: row for step, row in rows.items() if step <= resume_step}

    @property
    def name(self) -> str:
        """The logger's name."""
        return "metrics"

    @property
    def version(self) -> str:
        """One file a run; there are no versions."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run's config.yaml holds the settings."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add the figures of an epoch to the row of ``step``; what callbacks log beside them is for TensorBoard."""
        if step is None:
            raise ValueError("metrics.csv needs the step of its metrics")
        if "epoch" not in metrics:
            return
        row = self._rows.setdefault(step, {"step": str(step)})
        row.update({key: repr(float(value)) for key, value in metrics.items()})

    def save(self) -> None:
        """Write the file, in the first process only: at the end Lightning calls this in all of them."""
        if this_rank() != 0:
            return
        columns = ["step", *sorted({key for row in self._rows.values() for key in row} - {"step"})]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows[step] for step in sorted(self._rows))
        write_atomically(self.path, text.getvalue())


def last_validation(path: Path) -> dict[str, float]:
    """Return the figures of the last epoch on the validation part, by name: those that choices may rest on.

    Args:
        path: A run's ``metrics.csv``.

    Returns:
        Such as ``{"accuracy": 0.88, "loss": 12.1}``; empty where there are none.

    Raises:
        RunError: If the file is damaged.
    """
    try:
        rows = _read_rows(path)
        last = rows[max(rows)] if rows else {}
        return {name.removeprefix("valid/"): float(value) for name, value in last.items() if name.startswith("valid/")}
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}); delete {path.parent} to train the run anew") from error


def _read_rows(path: Path) -> dict[int, dict[str, str]]:
    """Return the rows of a file by their steps.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {
                int(row["step"]): {key: value for key, value in row.items() if value} for row in csv.DictReader(file)
            }
    except (KeyError, TypeError, csv.Error) as error:
        raise ValueError(str(error)) from error


def epoch_line(
    parts: Mapping[str, float],
    metrics: Mapping[str, tuple[float, float | None]],
    extra: Mapping[str, float],
    *,
    epoch: int,
    epochs: int,
    course: str,
) -> str:
    """Return the console's line after an epoch.

    Args:
        parts: The loss and its parts in training, the loss first.
        metrics: Figures of training and validation, None without a validation; the first is shown.
        extra: The loss's own figures.
        epoch: The epoch, from 1 on.
        epochs: Epochs of the run.
        course: How fast it went.
    """
    (_, loss), *others = parts.items()
    listed = ", ".join(f"{_words(name)} {value:.3f}" for name, value in others)
    line = [f"epoch {epoch}/{epochs}", f"loss {loss:.3f}" + (f" ({listed})" if listed else "")]
    for name, (trained, valid) in list(metrics.items())[:1]:
        validated = "" if valid is None else f", {_figure(name, valid)} valid"
        line.append(f"{_words(name)} {_figure(name, trained)} train{validated}")
    line += [f"{_words(name)} {value:.3g}" for name, value in extra.items()]
    return "  ".join([*line, course])


def course_of_epoch(*, seconds: float, pictures: int, waited: float, epochs_left: float) -> str:
    """Return how fast an epoch went, in words.

    Args:
        seconds: How long it took here, its validation included.
        pictures: Training pictures of that time.
        waited: Seconds of it in which the training waited for pictures.
        epochs_left: Epochs that are still to come.
    """
    rate, share = pictures / max(seconds, 1e-9), waited / max(seconds, 1e-9)
    return f"{seconds:.1f} s, {rate:.0f} pictures/s, {share:.0%} waiting for data, {_span(seconds * epochs_left)} left"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(name: str, value: float) -> str:
    return f"{value:.2%}" if "accuracy" in name or name.startswith("top") else f"{value:.3f}"
