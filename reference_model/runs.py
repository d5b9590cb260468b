"""The run folder: the files that a run writes and reads."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reference_model.machine import commit_of, processor_name

PACKAGES = (
    "obrl",
    "torch",
    "lightning",
    "numpy",
    "torchmetrics",
    "jsonargparse",
    "pillow",
    "matplotlib",
    "safetensors",
    "tensorboard",
)


USER_ERROR = 2
SIGNAL_EXIT = 128  # a shell's convention: 128 plus the signal's number
CTRL_C_EXIT = SIGNAL_EXIT + 2


class RunError(ValueError):
    """A run folder cannot be used for what was requested."""


def refuse(error: Exception) -> int:
    """Print ``error`` for the user; return the exit status of settings, runs or data that cannot be used."""
    print(f"error: {error}", file=sys.stderr)
    return USER_ERROR


def warn_user(texts: Iterable[str]) -> None:
    """Print what differs from what is usual and stops nothing: one line each."""
    for text in texts:
        print(f"warning: {text}", file=sys.stderr)


@dataclass(frozen=True)
class RunFolder:
    """The names of everything in a run's folder.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """Every setting, as resolved."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, machine and seed."""
        return self.path / "environment.json"

    @property
    def labels(self) -> Path:
        """The attributes' names, their rates in the training partition, and a fingerprint of the data."""
        return self.path / "labels.json"

    @property
    def metrics(self) -> Path:
        """One row an epoch."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The checkpoint to resume from."""
        return self.checkpoints / "last.ckpt"

    @property
    def weights(self) -> Path:
        """The net's final weights."""
        return self.path / "model.safetensors"

    @property
    def relation(self) -> Path:
        """The final relation."""
        return self.path / "relation.npz"

    @property
    def history(self) -> Path:
        """The relation after each epoch."""
        return self.path / "history.npz"

    @property
    def report(self) -> Path:
        """The final report; its presence says that the run is complete."""
        return self.path / "report.json"

    def is_run(self) -> bool:
        """Say whether the folder holds a run of this program, finished or not."""
        return self.config.is_file() and self.environment.is_file()


def find_run(checkpoint: Path) -> RunFolder:
    """Return the run that a user names.

    Args:
        checkpoint: The run's folder, or a checkpoint inside it.

    Raises:
        RunError: If there is no run.
    """
    run = RunFolder(checkpoint.parent.parent if checkpoint.is_file() else checkpoint)
    if not run.is_run():
        raise RunError(f"{checkpoint} is no run: a folder written by reference_model.train, or a checkpoint in one")
    return run


def check_run_folder(path: Path, *, overwrite: bool) -> RunFolder:
    """Check that a run may be written to ``path``, without changing anything.

    Args:
        path: Where.
        overwrite: Whether a run that is there may be deleted. Folders that are not runs never may.

    Raises:
        RunError: If something is there that may not be deleted.
    """
    run = RunFolder(path)
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} exists and is not a folder; choose another one with --out")
    if path.is_dir() and any(path.iterdir()):
        if not run.is_run():
            raise RunError(f"{path} exists and holds something that is not a run; choose another folder with --out")
        if not overwrite:
            raise RunError(
                f"{path} already holds a run; go on with it (--resume {path}), replace it (--overwrite), "
                "or choose another folder with --out"
            )
    return run


def create_run_folder(path: Path, *, overwrite: bool) -> RunFolder:
    """Create an empty run folder, deleting a run that is there if ``overwrite`` allows it.

    Raises:
        RunError: As `check_run_folder`.
    """
    run = check_run_folder(path, overwrite=overwrite)
    if run.is_run():
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    return run


def default_run_path(data: str, *, now: datetime | None = None) -> Path:
    """Return a folder under ``runs/`` named after the time and the data."""
    return Path("runs") / f"{(now or datetime.now()):%Y-%m-%d-%H%M%S}-{data}"


def describe_environment(*, seed: int, threads: int, device: str) -> dict[str, Any]:
    """Return the versions, the machine and the seed of a run.

    The commit is that of a checkout; it is None for an installed package.
    """
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "commit": commit_of(Path(__file__).parent),
        "versions": {name: package_version(name) for name in PACKAGES},
        "seed": seed,
        "torch_threads": threads,
        "device": device,
    }


def package_version(name: str) -> str | None:
    """Return the version of an installed package; None where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader finds the old one or the new one, never half of it; nothing stays where it fails.

    Args:
        path: The file; folders are created.
        content: Text, written in UTF-8, or bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any], *, depth: int | None = None) -> None:
    """Write ``content`` as JSON; NaN and infinities, which JSON does not have, become null; see `read_figures`.

    Args:
        path: The file.
        content: What it holds.
        depth: How many levels of objects and lists have a line for each entry, so that a deeper one is on one line;
            None for all.
    """
    plain = _without_nan(content)
    text = json.dumps(plain, indent=2, allow_nan=False) if depth is None else _in_lines(plain, depth, "")
    write_atomically(path, text + "\n")


def _in_lines(value: Any, depth: int, indent: str) -> str:
    if depth == 0 or not value or not isinstance(value, dict | list):
        return json.dumps(value, allow_nan=False)
    inner = indent + "  "
    entries: Iterable[tuple[str, Any]]
    if isinstance(value, dict):
        entries, (opening, closing) = ((f"{json.dumps(name)}: ", entry) for name, entry in value.items()), "{}"
    else:
        entries, (opening, closing) = (("", entry) for entry in value), "[]"
    lines = ",\n".join(f"{inner}{name}{_in_lines(entry, depth - 1, inner)}" for name, entry in entries)
    return f"{opening}\n{lines}\n{indent}{closing}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: If the file is missing or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} holds no JSON object")
    return content


def read_figures(path: Path) -> dict[str, Any]:
    """Read a file of figures that `write_json` wrote; null becomes NaN again, at any depth.

    Raises:
        RunError: As `read_json`.
    """
    content: dict[str, Any] = with_nan(read_json(path))
    return content


def with_nan(value: Any) -> Any:
    """Return figures from a JSON file with NaN for null, at any depth.

    Example:
        >>> with_nan({"rates": [0.5, None]})
        {'rates': [0.5, nan]}
    """
    if value is None:
        return math.nan
    if isinstance(value, Mapping):
        return {key: with_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_nan(inner) for inner in value]
    return value


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return value
