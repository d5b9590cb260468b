"""Where a monitor writes: a CSV file, TensorBoard, Weights & Biases."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from obrl.event_files import EventWriter
from obrl.pictures import Pixels


class Measurement(NamedTuple):
    """What a monitor says of a criterion at one step.

    Attributes:
        pairs_together: how many pairs the relation loss pulls together (i < j, or ordered for `conditional`).
        pairs_apart: how many it pushes apart.
        share_of_loss: alpha L_B / (L_E + alpha L_B) on the batch, in [0, 1]; NaN where it was not measured, or the loss
            is NaN or infinite. Logs leave a NaN out.
        share_of_gradient: G_B / (G_E + G_B), in [0, 1], where G_B is the Euclidean norm of the gradient of alpha L_B
            with respect to the logits of the batch, and G_E that of L_E; NaN likewise.

    Example:
        >>> Measurement(2, 0, 0.01, float("nan")).numbers("loss")
        {'loss/pairs_together': 2.0, 'loss/pairs_apart': 0.0, 'loss/share_of_loss': 0.01}
    """

    pairs_together: int
    pairs_apart: int
    share_of_loss: float
    share_of_gradient: float

    def numbers(self, name: str) -> dict[str, float]:
        """The measured values by their names in a log, which start with that of the criterion."""
        return {f"{name}/{field}": float(value) for field, value in self._asdict().items() if value == value}


class Sink(Protocol):
    """Takes what was measured at a step."""

    def write(self, step: int, name: str, measurement: Measurement, picture: Pixels) -> None:
        """Write the measurement of the criterion `name`, and the heat map of its relation."""

    def close(self) -> None:
        """Nothing more will come."""


class CSVFile:
    """A row a step and criterion, in a file that a resumed run continues.

    At its first row the rows of earlier runs from this step on are removed; the others stay. An empty file is as none.

    Args:
        path: of the file; its folder is made if it is missing.

    Raises:
        ValueError: the file exists and holds something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: io.TextIOWrapper | None = None
        self._earlier_rows()  # a file of something else is refused now, not in the middle of a training

    def write(self, step: int, name: str, measurement: Measurement, picture: Pixels) -> None:
        """Add a row; the picture has no place in it."""
        if self._file is None:
            self._file = self._open(step)
        writer = csv.writer(self._file, lineterminator="\n")
        writer.writerow([step, name, *("" if value != value else repr(value) for value in measurement)])
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, first_step: int) -> io.TextIOWrapper:
        rows = [row for row in self._earlier_rows() if int(row[0]) < first_step]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.part")
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([self._columns(), *rows])
        part.replace(self.path)
        return self.path.open("a", newline="", encoding="utf-8")

    def _earlier_rows(self) -> list[list[str]]:
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        if not text:
            return []
        rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))  # a last row that was cut off is left out
        whole = [row for row in rows[1:] if len(row) == len(self._columns()) and row[0].isdecimal()]
        if rows[:1] != [self._columns()] or len(whole) != len(rows) - 1:
            raise ValueError(
                f"{self.path} exists and is none that a monitor wrote, which starts with {','.join(self._columns())}; "
                "name another file"
            )
        return rows[1:]

    @staticmethod
    def _columns() -> list[str]:
        return ["step", "criterion", *Measurement._fields]


class EventFolder:
    """A folder that TensorBoard shows; needs nothing installed.

    Args:
        folder: of TensorBoard's `--logdir`, or below it; made if it is missing.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._writer: EventWriter | None = None

    def write(self, step: int, name: str, measurement: Measurement, picture: Pixels) -> None:
        """Add the numbers and the picture."""
        if self._writer is None:
            self._writer = EventWriter(self.folder, first_step=step)
        self._writer.add(step, measurement.numbers(name), {f"{name}/relation": picture})

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class SummaryWriterSink:
    """A `SummaryWriter` of torch, tensorboardX or another with the same methods; its owner closes it."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, step: int, name: str, measurement: Measurement, picture: Pixels) -> None:
        """Add the numbers and the picture."""
        for tag, number in measurement.numbers(name).items():
            self._writer.add_scalar(tag, number, step)
        self._writer.add_image(f"{name}/relation", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what the writer still holds."""
        self._writer.flush()


class WandbRun:
    """A run of Weights & Biases; its owner finishes it.

    The step is a value of its own (`NAME/step`) and the horizontal axis of the others: Weights & Biases counts its
    steps by itself, and drops what comes for one that has passed.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        self._names: set[str] = set()

    def write(self, step: int, name: str, measurement: Measurement, picture: Pixels) -> None:
        """Add the numbers and the picture."""
        if name not in self._names:
            self._run.define_metric(f"{name}/*", step_metric=f"{name}/step")
            self._names.add(name)
        image = sys.modules["wandb"].Image(picture)  # imported by whoever started the run
        self._run.log({f"{name}/step": step, **measurement.numbers(name), f"{name}/relation": image})

    def close(self) -> None:
        """Do nothing."""


def as_sinks(targets: Any) -> list[Sink]:
    """Say where a monitor writes.

    Args:
        targets: one of the following, or a sequence of them: a path that ends in .csv; any other path, a folder for
            TensorBoard; a SummaryWriter; a run of Weights & Biases; a `Sink`.

    Raises:
        TypeError: anything else.
    """
    listed = targets if isinstance(targets, Sequence) and not isinstance(targets, str) else [targets]
    return [_as_sink(target) for target in listed]


def _as_sink(target: Any) -> Sink:
    if isinstance(target, str | os.PathLike):
        return CSVFile(target) if Path(target).suffix.lower() == ".csv" else EventFolder(target)
    if hasattr(target, "add_scalar") and hasattr(target, "add_image"):
        return SummaryWriterSink(target)
    if hasattr(target, "define_metric") and hasattr(target, "log"):
        return WandbRun(target)
    if hasattr(target, "write") and hasattr(target, "close"):
        sink: Sink = target
        return sink
    raise TypeError(
        "sinks must be paths (a .csv, or a folder for TensorBoard), a SummaryWriter or a run of Weights & Biases, got "
        f"{type(target).__name__}"
    )
