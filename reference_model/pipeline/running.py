"""Cells are trained here: those that are not finished yet, each going on where it stopped."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import fcntl
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from reference_model.config import RunConfig
from reference_model.data.catalogue import SPLITS
from reference_model.engine.fitting import check_settings, check_start
from reference_model.engine.sources import open_data
from reference_model.pipeline.cells import (
    FORMAT,
    Cell,
    CellResult,
    canonical,
    describe_origins,
    input_files,
    key_of,
    read_cell,
    settings_of_key,
    with_setting,
)
from reference_model.pipeline.state import weights_digest
from reference_model.pipeline.stopwatch import SPEED_FILE, Stopwatch
from reference_model.pipeline.trainer import StageTrainer
from reference_model.runs import (
    RunError,
    RunFolder,
    read_figures,
    read_json,
    write_json,
)
from reference_model.stages.registry import load_stage

RUNS, FINISHED = "cells", "cells-done"
LOCK_FILE = "lock"
SITTINGS_FILE = "sittings.json"
PRODUCTS = {"weights.model": "model.safetensors", "relation.file": "relation.npz"}


@dataclass(frozen=True)
class Planned:
    """A cell with its key and what its file holds, if it is finished."""

    cell: Cell
    key: str
    content: Mapping[str, Any] | None


class Facts(NamedTuple):
    """What the key and the file of a cell say of its data: fingerprint and pictures of each partition."""

    fingerprint: str
    pictures: Mapping[str, int]


class Grid:
    """The cells of a table on disk.

    Args:
        folder: The table's folder; the runs are in its ``cells/KEY``.
        finished: Where the files of finished cells are, ``KEY.json``; None for ``folder/cells-done``.
    """

    def __init__(self, folder: Path, finished: Path | None = None) -> None:
        self.folder = folder
        self.finished = finished or folder / FINISHED
        self._known: dict[RunConfig, Facts] = {}

    def plan(self, cells: Sequence[Cell]) -> list[Planned]:
        """Return every cell with its key, and with its content where it is finished; nothing is written.

        Raises:
            RunError, ValueError: If data, weights or a finished cell cannot be read.
        """
        planned = []
        for cell in cells:
            key = key_of(cell, self.fingerprint)
            planned.append(Planned(cell, key, read_cell(self.finished, key)))
        return planned

    def fingerprint(self, config: RunConfig) -> str:
        """Return the fingerprint of a run's data."""
        return self._facts(config).fingerprint

    def _facts(self, config: RunConfig) -> Facts:
        usual = RunConfig()
        # Only what decides which data are read, so that a data set is opened once for all cells.
        settings = replace(canonical(config), features=usual.features)
        place = replace(settings, seed=0, out=None, loss="ce", optim=usual.optim, train=usual.train, head=usual.head)
        place = replace(
            place, net=replace(usual.net, strides=settings.net.strides), relation=usual.relation, weights=usual.weights
        )
        if place not in self._known:
            data = open_data(place, load_stage(place.stage))
            self._known[place] = Facts(data.fingerprint, {name: data.size(name) for name in SPLITS})
        return self._known[place]

    def check(self, planned: Sequence[Planned]) -> None:
        """Check the settings, data and weights of every cell that is to be trained; nothing is written.

        Raises:
            RunError, ValueError, OSError: What is wrong.
        """
        checked: set[RunConfig] = set()
        sizes: set[str] = set()
        for cell in _with_sources([part.cell for part in planned if part.content is None]):
            config = replace(_without(canonical(cell.config), cell.sources), seed=0)
            if config in checked:
                continue
            checked.add(config)
            stage = load_stage(config.stage)
            check_settings(config, stage)
            data = open_data(config, stage)
            sentences = stage.check(data.targets, config)
            check_start(config, data)
            counted = ", ".join(f"{data.size(name)} {name}" for name in SPLITS)
            told = "\n".join([f"{config.stage}: {config.data} with {counted}", *sentences])
            if told not in sizes:
                print(told, flush=True)
            sizes.add(told)

    def run(self, planned: Sequence[Planned]) -> list[CellResult]:
        """Train every cell that is not finished, and return the results of all in their order.

        Raises:
            RunError: If another process trains cells in this folder.
            TrainingInterrupted: On Ctrl-C or SIGTERM; what was trained so far is used on the next call.
        """
        if all(part.content is not None for part in planned):
            return self._run(planned)
        with _alone(self.folder):
            return self._run(planned)

    def _run(self, planned: Sequence[Planned]) -> list[CellResult]:
        contents: dict[str, Mapping[str, Any]] = {}
        for number, part in enumerate(planned, 1):
            title = f"[{number}/{len(planned)}] {', '.join(part.cell.columns.values())} ({part.key})"
            if part.key in contents:
                continue
            content = read_cell(self.finished, part.key)  # another process may have finished it meanwhile
            if content is None:
                content = self._train(part.cell, part.key, title)
            else:
                print(f"{title}: done", flush=True)
            contents[part.key] = content
        return [CellResult(part.cell, part.key, contents[part.key]) for part in planned]

    def _train(self, cell: Cell, key: str, title: str) -> dict[str, Any]:
        config = replace(canonical(cell.config), out=self.run_folder(key).path)
        for setting, source in cell.sources.items():
            config = with_setting(config, setting, self._product(setting, source))
        run = self.run_folder(key)
        resume = run.is_run()
        finished = resume and run.report.is_file()
        state = "finished there" if finished else "going on" if resume else "training"
        print(f"{title}: {state} in {run.path}", flush=True)
        if not resume:
            shutil.rmtree(run.path, ignore_errors=True)  # what a start that was cut short has left
            run.path.mkdir(parents=True)
        sittings = _sittings(run)
        started = time.monotonic()
        if finished:
            report: Mapping[str, Any] = read_figures(run.report)
        else:
            write_json(run.path / SITTINGS_FILE, {**sittings, "number": sittings["number"] + 1})
            watch = Stopwatch(run.path)
            try:
                report = StageTrainer([watch]).train(run, config, resume=resume, on_start=lambda: None)
            finally:
                seconds = sittings["seconds"] + time.monotonic() - started
                write_json(run.path / SITTINGS_FILE, {"number": sittings["number"] + 1, "seconds": seconds})
        content = self._content(cell, config, key, run, report)
        self.finished.mkdir(parents=True, exist_ok=True)
        write_json(self.finished / f"{key}.json", content)
        return content | {"report": report}

    def run_folder(self, key: str) -> RunFolder:
        """Return the folder of a cell's run."""
        return RunFolder(self.folder / RUNS / key)

    def _product(self, setting: str, source: Cell) -> Path:
        """Return the file that a setting takes from another cell, which is trained if it is not here."""
        key = key_of(source, self.fingerprint)
        stage = load_stage(source.config.stage)
        name = PRODUCTS.get(setting, f"{stage.product}.safetensors")
        path = self.run_folder(key).path / name
        if not (path.is_file() and self.run_folder(key).report.is_file()):
            if read_cell(self.finished, key) is not None:
                print(f"The cell {key} is finished, but its {name} is not here: it is trained again.", flush=True)
            self._train(source, key, f"{', '.join(source.columns.values())} ({key}), which {setting} comes from")
        if not path.is_file():
            raise RunError(f"{path} is missing: the stage {source.config.stage} of {source.config.loss} writes none")
        return path

    def _content(
        self, cell: Cell, config: RunConfig, key: str, run: RunFolder, report: Mapping[str, Any]
    ) -> dict[str, Any]:
        sittings = _sittings(run)
        speed = read_json(run.path / SPEED_FILE) if (run.path / SPEED_FILE).is_file() else {}
        right = run.path / "right.json"
        files = {name: weights_digest(path) for name, path in input_files(config, cell.sources).items()}
        return {
            "format": FORMAT,
            "key": key,
            "columns": dict(cell.columns),
            "stage": config.stage,
            "seed": config.seed,
            "preset": config.preset,
            "settings": settings_of_key(config),
            "data": {"name": config.data, **self._facts(config)._asdict()},
            "files": files,
            "sources": {name: key_of(source, self.fingerprint) for name, source in cell.sources.items()},
            "origins": describe_origins(config, cell.sources),
            "seconds": sittings["seconds"],
            "sittings": sittings["number"],
            **speed,
            "environment": read_json(run.environment),
            "report": report,
            **({"right": read_json(right)} if right.is_file() else {}),
        }


def run_cells(cells: Sequence[Cell], folder: Path, cells_dir: Path | None = None) -> list[CellResult]:
    """Check all cells, train those that are not finished, and return the results.

    Args:
        cells: The cells; one that is there twice is trained once.
        folder: The table's folder; the runs are in its ``cells/KEY``.
        cells_dir: Where the files of finished cells are; None for ``folder/cells-done``.

    Raises:
        RunError, ValueError, OSError: If settings, data or weights cannot be used; nothing is written then.
        TrainingInterrupted: On Ctrl-C or SIGTERM.
    """
    grid = Grid(folder, cells_dir)
    planned = grid.plan(cells)
    grid.check(planned)
    return grid.run(planned)


def _without(config: RunConfig, sources: Iterable[str]) -> RunConfig:
    """Return settings without the files that other cells will have written when the run starts."""
    for setting in sources:
        if setting == "relation.file":
            config = replace(config, relation=replace(config.relation, source="online", file=None))
        else:
            config = with_setting(config, setting, None)
    return config


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process train cells in a folder meanwhile; a lock ends with its process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another process trains the cells in {folder}: wait for it, or choose another --out; with the same "
                "--cells it uses what the other one has finished"
            ) from None
        yield


def _with_sources(cells: Sequence[Cell]) -> Iterator[Cell]:
    for cell in cells:
        yield from _with_sources(list(cell.sources.values()))
        yield cell


def _sittings(run: RunFolder) -> dict[str, Any]:
    path = run.path / SITTINGS_FILE
    return read_json(path) if path.is_file() else {"number": 0, "seconds": 0.0}
