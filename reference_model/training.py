"""What ``python -m reference_model.train`` does once its settings are known: open the data, train, compare."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from reference_model.checkpoints import TrainingInterrupted
from reference_model.cli import Request
from reference_model.comparison import LOSSES, TITLES, compare_reports, format_comparison
from reference_model.config import RunConfig
from reference_model.data.catalogue import SPLITS
from reference_model.data.errors import DataError
from reference_model.fitting import check_same_data, check_settings, fit, start_run
from reference_model.runs import (
    CTRL_C_EXIT,
    SIGNAL_EXIT,
    RunError,
    RunFolder,
    create_run_folder,
    default_run_path,
    read_figures,
    refuse,
    write_json,
)
from reference_model.sources import StageData, open_data
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Stage


class InputError(ValueError):
    """The data or the settings cannot be used; the message is meant for the user."""


def run_request(request: Request) -> int:
    """Do what a command line asks for.

    Args:
        request: The settings, already checked, and the folder.

    Returns:
        The exit status, as of `reference_model.train.main`.
    """
    try:
        run, config, data = _prepare(request)
    except (RunError, InputError) as error:
        return refuse(error)
    try:
        _run(run, config, data)
    except TrainingInterrupted as interruption:
        print(_farewell(run.path, interruption), file=sys.stderr)
        return SIGNAL_EXIT + interruption.signal_number
    except KeyboardInterrupt:
        print(f"\nStopped. {_how_to_resume(run.path)}", file=sys.stderr)
        return CTRL_C_EXIT
    except (RunError, DataError) as error:  # a picture that cannot be read shows only when it is read
        return refuse(error)
    print(f"Everything is in {run.path}")
    return 0


def _prepare(request: Request) -> tuple[RunFolder, RunConfig, StageData]:
    config = request.config
    stage = load_stage(config.stage)
    try:
        check_settings(config, stage)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None
    if request.resume is not None:
        data = _open_data(config, stage)
        run = RunFolder(request.resume)
        check_same_data(run, data)
        return run, config, data
    # Delete nothing before the data is known.
    path = config.out or default_run_path(config.data)
    data = _open_data(config, stage)
    run = create_run_folder(path, overwrite=request.overwrite)
    return run, start_run(run, config, data), data


def _open_data(config: RunConfig, stage: Stage) -> StageData:
    started = time.monotonic()
    if config.data == "synthetic":
        print("Preparing synthetic pictures ...", flush=True)
    try:
        data = open_data(config, stage)
        sentences = stage.check(data.targets, config)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None
    sizes = ", ".join(f"{data.size(name)} {name}" for name in SPLITS)
    print(f"{config.data}: {sizes} ({time.monotonic() - started:.1f} s)", flush=True)
    for sentence in sentences:
        print(sentence, flush=True)
    return data


def _run(run: RunFolder, config: RunConfig, data: StageData) -> None:
    if config.loss != "both" or data.stage.name != "attributes":
        print(data.stage.describe(_fit_once(run, config, data)))
        return
    reports: dict[str, Any] = {}
    for loss in LOSSES:
        part = RunFolder(run.path / loss)
        part_config = replace(config, loss=loss, out=part.path)
        if not part.is_run():
            create_run_folder(part.path, overwrite=False)
            part_config = start_run(part, part_config, data)
        print(f"{TITLES[loss]}:", flush=True)
        reports[loss] = _fit_once(part, part_config, data)
    comparison = compare_reports(reports)
    write_json(run.path / "comparison.json", comparison)
    print(format_comparison(comparison))


def _fit_once(run: RunFolder, config: RunConfig, data: StageData) -> dict[str, Any]:
    if run.report.exists():
        print(f"The run in {run.path} is complete.")
        return read_figures(run.report)
    started = time.monotonic()
    report = fit(run, config, data)
    print(f"trained and tested in {time.monotonic() - started:.1f} s", flush=True)
    return report


def _farewell(path: Path, interruption: TrainingInterrupted) -> str:
    if interruption.step is None:
        return f"\nInterrupted before the first checkpoint. {_how_to_resume(path)}"
    return f"\nInterrupted; the checkpoint of step {interruption.step} is saved. {_how_to_resume(path)}"


def _how_to_resume(path: Path) -> str:
    return f"Go on with:\n  python -m reference_model.train --resume {path}"
