"""What ``python -m reference_model.train`` does once its settings are known: open the data, train, compare."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import shlex
import time
from dataclasses import replace
from typing import Any

from reference_model.cli import Request
from reference_model.config import RunConfig
from reference_model.data.catalogue import SPLITS
from reference_model.engine.fitting import check_same_data, check_settings, check_start, fit, start_run
from reference_model.engine.processes import from_first, join, leave, this_rank
from reference_model.engine.sources import StageData, open_data
from reference_model.engine.starting import check_weights
from reference_model.engine.stopping import run_to_end
from reference_model.reports.comparison import LOSSES, TITLES, compare_reports, format_comparison
from reference_model.runs import (
    USER_ERROR,
    RunError,
    RunFolder,
    create_run_folder,
    default_run_path,
    read_figures,
    refuse,
    warn_user,
    write_json,
)
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Stage


class InputError(ValueError):
    """The data or the settings cannot be used; the message is meant for the user."""


Prepared = tuple[RunFolder, RunConfig, StageData]


def run_request(request: Request) -> int:
    """Do what a command line asks for.

    Args:
        request: The settings, already checked, and the folder.

    Returns:
        The exit status, as of `reference_model.train.main`.
    """
    try:
        return _prepare_and_run(request)
    finally:
        leave()


def _prepare_and_run(request: Request) -> int:
    try:
        run, config, data = _prepare_together(request)
    except (RunError, InputError, OSError) as error:
        return refuse(error) if this_rank() == 0 else USER_ERROR
    status = run_to_end(
        lambda: _run(run, config, data),
        go_on=shlex.join(["python", "-m", "reference_model.train", "--resume", str(run.path)]),
    )
    if status == 0:
        say(f"Everything is in {run.path}")
    return status


def _prepare_together(request: Request) -> Prepared:
    """Prepare the run in the first process, then open its data in the others too."""
    join(request.config.train.device)
    outcome: tuple[RunFolder, RunConfig] | Exception
    data: StageData | None = None
    try:
        if this_rank() == 0:
            run, config, data = _prepare(request)
            outcome = (run, config)
        else:
            outcome = InputError("the first process says what is wrong")
    except (RunError, InputError, OSError) as error:
        outcome = error
    outcome = from_first(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    run, config = outcome
    return run, config, data or _open_data(config, load_stage(config.stage))


def _prepare(request: Request) -> Prepared:
    config = request.config
    stage = load_stage(config.stage)
    try:
        check_settings(config, stage)
        if request.resume is None:
            check_weights(config)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None
    data = _open_data(config, stage)
    if request.resume is not None:
        run = RunFolder(request.resume)
        check_same_data(run, data)
        return run, config, data
    # Delete nothing before it is known that the run can start.
    try:
        for sentence in check_start(config, data):
            say(sentence)
    except ValueError as error:
        raise InputError(str(error)) from None
    run = create_run_folder(config.out or default_run_path(config.data), overwrite=request.overwrite)
    return run, start_run(run, config, data), data


def _open_data(config: RunConfig, stage: Stage) -> StageData:
    started = time.monotonic()
    if config.data == "synthetic":
        say("Preparing synthetic pictures ...")
    try:
        data = open_data(config, stage)
        if this_rank() == 0:
            warn_user(data.warnings)
        sentences = stage.check(data.targets, config)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None
    sizes = ", ".join(f"{data.size(name)} {name}" for name in SPLITS)
    say(f"{config.data}: {sizes} ({time.monotonic() - started:.1f} s)")
    for sentence in sentences:
        say(sentence)
    return data


def _run(run: RunFolder, config: RunConfig, data: StageData) -> None:
    if config.loss != "both" or data.stage.name != "attributes":
        say(data.stage.describe(_fit_once(run, config, data)))
        return
    reports: dict[str, Any] = {}
    for loss in LOSSES:
        part = RunFolder(run.path / loss)
        part_config = replace(config, loss=loss, out=part.path)
        if this_rank() == 0 and not part.is_run():
            create_run_folder(part.path, overwrite=False)
            part_config = start_run(part, part_config, data)
        part_config = from_first(part_config)
        say(f"{TITLES[loss]}:")
        reports[loss] = _fit_once(part, part_config, data)
    comparison = compare_reports(reports)
    if this_rank() == 0:
        write_json(run.path / "comparison.json", comparison)
    say(format_comparison(comparison))


def _fit_once(run: RunFolder, config: RunConfig, data: StageData) -> dict[str, Any]:
    if from_first(run.report.exists()):
        say(f"The run in {run.path} is complete.")
        return read_figures(run.report)
    started = time.monotonic()
    report = fit(run, config, data)
    say(f"trained and tested in {time.monotonic() - started:.1f} s")
    return report


def say(text: str) -> None:
    """Print for the user, in the first process only."""
    if this_rank() == 0:
        print(text, flush=True)
