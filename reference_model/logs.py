"""The run's numbers: ``metrics.csv`` with one row an epoch, and a line an epoch on the console."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from reference_model.runs import write_atomically


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
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if int(row["step"]) <= resume_step:
                        self._rows[int(row["step"])] = {key: value for key, value in row.items() if value}

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
        """Add ``metrics`` to the row of ``step``."""
        if step is None:
            raise ValueError("metrics.csv needs the step of its metrics")
        row = self._rows.setdefault(step, {"step": str(step)})
        row.update({key: repr(float(value)) for key, value in metrics.items()})

    def save(self) -> None:
        """Write the file."""
        columns = ["step", *sorted({key for row in self._rows.values() for key in row} - {"step"})]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows[step] for step in sorted(self._rows))
        write_atomically(self.path, text.getvalue())


def epoch_line(values: Mapping[str, float], *, epoch: int, epochs: int, seconds: float) -> str:
    """Return the console's line after an epoch.

    Args:
        values: The epoch's metrics, by their names in ``metrics.csv``.
        epoch: The epoch, from 1 on.
        epochs: Epochs of the run.
        seconds: How long this epoch took here.
    """
    parts = [
        f"epoch {epoch}/{epochs}",
        f"loss {values['train/loss']:.3f}",
        f"accuracy {values['train/accuracy']:.2%} train, {values['valid/accuracy']:.2%} valid",
    ]
    if "train/active_pairs" in values:
        parts.append(f"{values['train/active_pairs']:.0f} active pairs")
    return "  ".join([*parts, f"{seconds:.1f} s"])
