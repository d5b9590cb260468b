"""The pipeline's use of the engine: one run is checked and trained as ``python -m reference_model.train`` does it."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from reference_model.config import RunConfig, WeightsConfig
from reference_model.data.catalogue import SPLITS
from reference_model.data.synthetic.pool import POOL_FOLDERS, open_pool
from reference_model.engine.fitting import check_same_data, check_settings, check_start, fit, start_run
from reference_model.engine.processes import check_launcher, count_processes
from reference_model.engine.sources import StageData, open_data
from reference_model.engine.starting import check_weights
from reference_model.engine.stopping import run_to_end
from reference_model.pipeline.command import PipelineRequest
from reference_model.pipeline.overview import format_summary, how_to_resume
from reference_model.pipeline.plan import Plan, prepare_plan, run_plan
from reference_model.runs import RunError, RunFolder, refuse, warn_user
from reference_model.settings.files import load_config
from reference_model.stages.registry import load_stage


class StageTrainer:
    """Trains the runs of a pipeline on the engine.

    Args:
        callbacks: What else watches every training.
    """

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self.callbacks = callbacks

    def draw(self, runs: Mapping[str, RunConfig]) -> Mapping[str, tuple[str, Path]]:
        """Draw the pool where it is not drawn yet; every run has the same settings of it."""
        first = next(iter(runs.values()))
        print("Preparing synthetic pictures ...", flush=True)
        started = time.monotonic()
        pool = open_pool(first.synthetic, first.root, first.pool)
        print(f"They are in {pool} ({time.monotonic() - started:.1f} s)", flush=True)
        parts = {name: name.removeprefix("attributes-").replace("celeba", "attributes") for name in runs}
        folders = {name: POOL_FOLDERS[part] for name, part in {**parts, "scenes": "scenes"}.items()}
        return {name: (data, pool / folder) for name, (data, folder) in folders.items()}

    def check(self, config: RunConfig) -> str:
        """Check settings and data of a run without training, and return the data's fingerprint."""
        stage = load_stage(config.stage)
        check_settings(config, stage)
        data = open_data(config, stage)
        warn_user(data.warnings)
        sentences = stage.check(data.targets, config)  # such as whether the net fits into memory: before it is built
        check_start(replace(config, weights=WeightsConfig()), data)  # files of weights may not be there yet
        sizes = ", ".join(f"{data.size(name)} {name}" for name in SPLITS)
        print(f"{config.stage}: {config.data} with {sizes}", flush=True)
        for sentence in sentences:
            print(sentence, flush=True)
        return data.fingerprint

    def check_weights(self, config: RunConfig, files: Mapping[str, Path]) -> None:
        """Check that files of weights fit the nets of a run."""
        check_weights(config, files)

    def train(
        self, run: RunFolder, config: RunConfig, *, resume: bool, on_start: Callable[[], None]
    ) -> Mapping[str, Any]:
        """Train a run to its end and return its report."""
        data = open_data(config, load_stage(config.stage))
        config = _resumed(run, config, data) if resume else start_run(run, config, data)
        if not resume:
            on_start()
        report = fit(run, config, data, callbacks=self.callbacks)
        print(data.stage.describe(report), flush=True)
        return report


def _resumed(run: RunFolder, config: RunConfig, data: StageData) -> RunConfig:
    """Return the settings that a run was started with, in its present place."""
    check_same_data(run, data)
    stored = load_config(run.config)
    free = {name: getattr(config.train, name) for name in ("progress", "checkpoint_every", "validate_every")}
    train = replace(stored.train, **free)
    return replace(config, train=train)


def run_pipeline(request: PipelineRequest) -> int:
    """Do what the command line of a pipeline asks for.

    Args:
        request: The settings, already checked, and the folder.

    Returns:
        The exit status: 0, 2 for settings or data that cannot be used, 130 or 143 after Ctrl-C or SIGTERM.
    """
    trainer = StageTrainer()
    if count_processes() > 1:
        return refuse(RunError("a pipeline trains in one process; under torchrun train stage by stage, with --stage"))
    try:
        check_launcher()
        plan = prepare_plan(request, trainer)
    except (TypeError, ValueError, OSError) as error:
        return refuse(error)
    return run_to_end(lambda: _run(plan, trainer), go_on=how_to_resume(plan.folder))


def _run(plan: Plan, trainer: StageTrainer) -> None:
    outcomes = run_plan(plan, trainer)
    print(f"\n{format_summary(outcomes)}\nEverything is in {plan.folder}")
