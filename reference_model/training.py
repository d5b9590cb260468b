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
from reference_model.data.errors import DataError
from reference_model.data.table import SPLITS
from reference_model.fitting import check_same_data, check_settings, fit, start_run
from reference_model.report import format_report
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
from reference_model.sources import Source, open_source


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
        run, config, source = _prepare(request)
    except (RunError, InputError) as error:
        return refuse(error)
    try:
        _run(run, config, source)
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


def _prepare(request: Request) -> tuple[RunFolder, RunConfig, Source]:
    config = request.config
    if request.resume is not None:
        source = _open_source(config)
        run = RunFolder(request.resume)
        check_same_data(run, source)
        return run, config, source
    # Check the settings before drawing faces or reading pictures, and delete nothing before the data is known.
    path = config.out or default_run_path(config.data)
    try:
        check_settings(config)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None
    source = _open_source(config)
    run = create_run_folder(path, overwrite=request.overwrite)
    return run, start_run(run, config, source), source


def _open_source(config: RunConfig) -> Source:
    started = time.monotonic()
    if config.data == "synthetic":
        print("Preparing synthetic faces ...", flush=True)
    try:
        source = open_source(config)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None
    sizes = ", ".join(f"{len(source.table.subset(name))} {name}" for name in SPLITS)
    print(f"{config.data}: {sizes} ({time.monotonic() - started:.1f} s)", flush=True)
    return source


def _run(run: RunFolder, config: RunConfig, source: Source) -> None:
    if config.loss != "both":
        print(format_report(_fit_once(run, config, source)))
        return
    reports: dict[str, Any] = {}
    for loss in LOSSES:
        part = RunFolder(run.path / loss)
        part_config = replace(config, loss=loss, out=part.path)
        if not part.is_run():
            create_run_folder(part.path, overwrite=False)
            part_config = start_run(part, part_config, source)
        print(f"{TITLES[loss]}:", flush=True)
        reports[loss] = _fit_once(part, part_config, source)
    comparison = compare_reports(reports)
    write_json(run.path / "comparison.json", comparison)
    print(format_comparison(comparison))


def _fit_once(run: RunFolder, config: RunConfig, source: Source) -> dict[str, Any]:
    if run.report.exists():
        print(f"The run in {run.path} is complete.")
        return read_figures(run.report)
    started = time.monotonic()
    report = fit(run, config, source)
    print(f"trained and tested in {time.monotonic() - started:.1f} s", flush=True)
    return report


def _farewell(path: Path, interruption: TrainingInterrupted) -> str:
    if interruption.step is None:
        return f"\nInterrupted before the first checkpoint. {_how_to_resume(path)}"
    return f"\nInterrupted; the checkpoint of step {interruption.step} is saved. {_how_to_resume(path)}"


def _how_to_resume(path: Path) -> str:
    return f"Go on with:\n  python -m reference_model.train --resume {path}"
