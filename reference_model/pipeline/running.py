"""Cells are trained here: those that are not finished yet, each going on where it stopped."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from reference_model.config import RunConfig
from reference_model.data.catalogue import SPLITS
from reference_model.engine.finite import NotFiniteError
from reference_model.engine.fitting import check_settings, check_start
from reference_model.engine.logs import last_validation
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
    with_sources,
    without_folders,
    without_sources,
)
from reference_model.pipeline.lock import alone_in
from reference_model.pipeline.state import weights_digest
from reference_model.pipeline.stopwatch import SPEED_FILE, Stopwatch, read_sittings, sitting
from reference_model.pipeline.trainer import StageTrainer
from reference_model.runs import RunError, RunFolder, read_figures, read_json, write_json
from reference_model.stages.registry import load_stage

RUNS, FINISHED = "cells", "cells-done"
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


class Outcome(NamedTuple):
    """The results of the cells that are finished, and the cells that diverged, each with the reason."""

    results: list[CellResult]
    diverged: list[tuple[Cell, NotFiniteError]]


class Stand(Enum):
    """How far the run of a cell is, in the word that says what is done about it."""

    NEW = "training"
    STOPPED = "going on"
    FINISHED = "finished there"


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
        self._diverged: dict[str, NotFiniteError] = {}

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
        for cell in with_sources([part.cell for part in planned if part.content is None]):
            config = replace(without_sources(canonical(cell.config), cell.sources), seed=0)
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

    def run(self, planned: Sequence[Planned]) -> Outcome:
        """Train every cell that is not finished, and return the results in the order of the cells.

        A cell that diverges does not stop the others, but for those that start from it.

        Raises:
            RunError: If another process trains cells in this folder.
            TrainingInterrupted: On Ctrl-C or SIGTERM; what was trained so far is used on the next call.
        """
        if all(part.content is not None for part in planned):
            return self._run(planned)
        with alone_in(self.folder):
            return self._run(planned)

    def _run(self, planned: Sequence[Planned]) -> Outcome:
        self._diverged = {}
        contents: dict[str, Mapping[str, Any]] = {}
        for number, part in enumerate(planned, 1):
            title = f"[{number}/{len(planned)}] {', '.join(part.cell.columns.values())} ({part.key})"
            if part.key in contents or part.key in self._diverged:
                continue
            content = read_cell(self.finished, part.key)  # another process may have finished it meanwhile
            if content is not None:
                print(f"{title}: done", flush=True)
                contents[part.key] = content
                continue
            try:
                contents[part.key] = self._train(part.cell, part.key, title)
            except NotFiniteError as error:
                print(f"{title}: diverged: {error}", flush=True)
        results = [CellResult(part.cell, part.key, contents[part.key]) for part in planned if part.key in contents]
        diverged = {part.key: part.cell for part in planned if part.key not in contents}
        return Outcome(results, [(cell, self._diverged[key]) for key, cell in diverged.items()])

    def _train(self, cell: Cell, key: str, title: str) -> dict[str, Any]:
        """Train a cell and write its file; one that diverged does so again, and is not trained for each that needs it.

        Raises:
            NotFiniteError: If it diverges.
        """
        if key not in self._diverged:
            try:
                return self._train_and_write(cell, key, title)
            except NotFiniteError as error:
                self._diverged[key] = error
        raise self._diverged[key]

    def _train_and_write(self, cell: Cell, key: str, title: str) -> dict[str, Any]:
        run = self.run_folder(key)
        config = replace(canonical(cell.config), out=run.path)
        for setting, source in cell.sources.items():
            config = with_setting(config, setting, self._product(setting, source))
        stand = _stand_of(run)
        print(f"{title}: {stand.value} in {run.path}", flush=True)
        if stand is Stand.NEW:
            shutil.rmtree(run.path, ignore_errors=True)  # what a start that was cut short has left
            run.path.mkdir(parents=True)
        if stand is Stand.FINISHED:
            report: Mapping[str, Any] = read_figures(run.report)
        else:
            trainer = StageTrainer([Stopwatch(run.path)])
            with sitting(run.path):
                report = trainer.train(run, config, resume=stand is Stand.STOPPED, on_start=lambda: None)
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
        run = self.run_folder(key)
        path = run.path / name
        if path.is_file() and _stand_of(run) is Stand.FINISHED:
            return path
        if _stand_of(run) is Stand.FINISHED or read_cell(self.finished, key) is not None:
            print(f"The cell {key} is finished, but its {name} is not here: it is trained again.", flush=True)
        if _stand_of(run) is Stand.FINISHED:
            shutil.rmtree(run.path)
        try:
            self._train(source, key, f"{', '.join(source.columns.values())} ({key}), which {setting} comes from")
        except NotFiniteError as error:
            raise NotFiniteError(f"the cell {key}, which {setting} comes from, diverged: {error}") from error
        if not path.is_file():
            raise RunError(f"{path} is missing: the stage {source.config.stage} of {source.config.loss} writes none")
        return path

    def _content(
        self, cell: Cell, config: RunConfig, key: str, run: RunFolder, report: Mapping[str, Any]
    ) -> dict[str, Any]:
        sittings = read_sittings(run.path)
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
            "valid": last_validation(run.metrics),
            "report": without_folders(report),
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
        NotFiniteError: If a cell diverged, once the others are finished.
        TrainingInterrupted: On Ctrl-C or SIGTERM.
    """
    grid = Grid(folder, cells_dir)
    planned = grid.plan(cells)
    grid.check(planned)
    results, diverged = grid.run(planned)
    for _, error in diverged:
        raise error
    return results


def _stand_of(run: RunFolder) -> Stand:
    if not run.is_run():
        return Stand.NEW
    return Stand.FINISHED if run.report.is_file() else Stand.STOPPED
