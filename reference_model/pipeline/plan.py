"""A whole pipeline from its settings to its summary: what is checked, what is trained, what is passed on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reference_model.config import RunConfig
from reference_model.pipeline.command import PipelineRequest
from reference_model.pipeline.config import PARENTS, PRODUCTS, PipelineConfig, Step, place_steps, sources_of
from reference_model.pipeline.files import PIPELINE_FILE, dump_pipeline
from reference_model.pipeline.overview import Outcome, format_summary, quoted, write_readme
from reference_model.pipeline.state import INPUTS_FILE, State, derive_inputs, state_of, weights_digest, write_inputs
from reference_model.runs import RunError, RunFolder, default_run_path, read_figures, write_atomically


class Trainer(Protocol):
    """What trains one run; `reference_model.pipeline.trainer.StageTrainer` is the real one."""

    def draw(self, runs: Mapping[str, RunConfig]) -> Mapping[str, tuple[str, Path]]:
        """Return data set and folder of every run on drawn data, and of ``"scenes"``; draw them where they are not."""
        ...

    def check(self, config: RunConfig) -> str:
        """Check settings and data of a run without training, and return the data's fingerprint."""
        ...

    def check_weights(self, config: RunConfig, files: Mapping[str, Path]) -> None:
        """Check that files of weights, by setting, fit the nets of a run."""
        ...

    def train(
        self, run: RunFolder, config: RunConfig, *, resume: bool, on_start: Callable[[], None]
    ) -> Mapping[str, Any]:
        """Train a run to its end and return its report; call ``on_start`` when its settings are written down."""
        ...


@dataclass(frozen=True)
class Plan:
    """A pipeline that has passed every check.

    Args:
        config: The pipeline.
        folder: Its folder.
        steps: Its runs, in their order.
        data: Fingerprint of each run's data, by the run's name.
    """

    config: PipelineConfig
    folder: Path
    steps: Sequence[Step]
    data: Mapping[str, str]


def prepare_plan(request: PipelineRequest, trainer: Trainer) -> Plan:
    """Check everything, then create the pipeline's folder or bring it up to date; nothing is trained.

    Args:
        request: What the command line asks for.
        trainer: What opens data and nets.

    Raises:
        RunError: If the folder cannot be used, or a run there was trained from something else.
        ValueError: If data, settings or weights cannot be used.
    """
    config = request.config
    folder = config.out or default_run_path("all")
    if not request.resume:
        check_pipeline_folder(folder, overwrite=request.overwrite)
    _check_nets(config)
    _check_supplied(request, folder, trainer)
    drawn = {name: run for name, run in config.runs.items() if run.data == "synthetic"}
    pool = trainer.draw(drawn) if drawn else {}
    steps = place_steps(config, folder, pool)
    plan = Plan(config, folder, steps, {step.name: trainer.check(step.config) for step in steps})
    anew = [] if request.redo is None else followers(steps, request.redo)
    if request.resume:
        _refuse_stale(plan, anew)
    elif folder.exists():
        shutil.rmtree(folder)
    _write_folder(plan, anew)
    return plan


def run_plan(plan: Plan, trainer: Trainer) -> list[Outcome]:
    """Train what is not done yet, in order, and pass the weights on.

    Args:
        plan: From `prepare_plan`.
        trainer: What trains a run.

    Returns:
        What became of every run.
    """
    outcomes = [Outcome(product, "supplied", None, None) for product in sorted(plan.config.weights)]
    for number, step in enumerate(plan.steps, 1):
        started = time.monotonic()
        title = f"[{number}/{len(plan.steps)}] {step.name}"
        state = _state(plan, step)
        if state is State.DONE:
            print(f"{title}: done", flush=True)
            report: Mapping[str, Any] = read_figures(RunFolder(step.folder).report)
            outcomes.append(Outcome(step.name, "done before", report, None))
        else:
            print(f"{title}: {'going on' if state is State.RESUME else 'training'} in {step.folder}", flush=True)
            report = _train(plan, step, trainer, resume=state is State.RESUME)
            outcomes.append(Outcome(step.name, "trained", report, time.monotonic() - started))
        _publish(plan, step)
    write_readme(plan.folder, [step.folder.name for step in plan.steps], format_summary(outcomes))
    return outcomes


def check_pipeline_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a pipeline may be written to a folder, without changing anything.

    Raises:
        RunError: If something is there that may not be deleted.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise RunError(f"{folder} exists and is not a folder; choose another one with --out")
    if not (folder / PIPELINE_FILE).is_file():
        raise RunError(f"{folder} exists and holds something that is not a pipeline; choose another one with --out")
    if not overwrite:
        raise RunError(
            f"{folder} already holds a pipeline; go on with it (--resume {quoted(folder)}), replace it (--overwrite), "
            "or choose another folder with --out"
        )


def followers(steps: Sequence[Step], name: str) -> list[str]:
    """Return the runs of a stage, or the run of this name, and every run that starts from what they pass on."""
    redone = [step.name for step in steps if name in (step.name, step.config.stage)]
    products = {step.product for step in steps if step.name in redone}
    for step in steps:
        if step.name not in redone and products & set(step.sources.values()):
            redone.append(step.name)
            products.add(step.product)
    return redone


def _check_nets(config: PipelineConfig) -> None:
    """Raise ValueError where a run starts from the net of another one that has other convolutions."""
    by_product = {PRODUCTS[run.stage]: (name, run) for name, run in config.runs.items() if run.stage in PRODUCTS}
    for name, run in config.runs.items():
        sources = run.net.nets if run.stage == "attributes" else [PARENTS.get(PRODUCTS[run.stage], "")]
        for origin, other in (by_product[source] for source in sources if source in by_product):
            for setting in ("width", "depth", "norm"):
                there, here = getattr(other.net, setting), getattr(run.net, setting)
                if there != here:
                    raise ValueError(
                        f"{name} starts from the net of {origin}, but net.{setting} is {there!r} for {origin} and "
                        f"{here!r} for {name}; give both the same"
                    )


def _check_supplied(request: PipelineRequest, folder: Path, trainer: Trainer) -> None:
    """Check the weights that a user supplies, before anything is drawn or read."""
    config = request.config
    for product, file in config.weights.items():
        copy = folder / f"{product}.safetensors"
        if not file.is_file():
            if request.resume and copy.is_file():
                continue
            raise RunError(f"--weights.{product} {file}: no such file")
        if not request.resume and file.resolve().is_relative_to(folder.resolve()):
            raise RunError(f"{file} lies in {folder}, which --overwrite deletes; move it elsewhere first")
        if request.resume and copy.is_file() and weights_digest(copy) != weights_digest(file):
            raise RunError(f"{folder} was started with other weights than {file} for {product}; start another pipeline")
    for run in config.runs.values():
        files = {setting: config.weights.get(product) for setting, product in sources_of(run).items()}
        existing = {setting: file for setting, file in files.items() if file is not None and file.is_file()}
        if existing:
            trainer.check_weights(run, existing)


def _refuse_stale(plan: Plan, anew: Sequence[str]) -> None:
    stale = []
    for step in plan.steps:
        if step.name in anew:
            continue
        state, different = state_of(step.folder, derive_inputs(step.config, data=plan.data[step.name]))
        if state is State.DONE:
            _publish(plan, step)
        if state is State.STALE:
            stale.append((step, different))
    if stale:
        listed = "; ".join(f"{step.name}: {', '.join(different)}" for step, different in stale)
        raise RunError(
            f"{plan.folder} was trained from something else: {listed}. Leave the change out, or train "
            f"{stale[0][0].name} and what follows anew: --redo {stale[0][0].name}"
        )


def _write_folder(plan: Plan, anew: Sequence[str]) -> None:
    """Write settings and overview, delete what is trained anew, and copy the weights that a user supplies."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(plan.folder / PIPELINE_FILE, dump_pipeline(plan.config))
    write_readme(plan.folder, [step.folder.name for step in plan.steps], None)
    # Later runs first: one that is left over when this is cut short still has everything that it started from.
    for step in reversed([step for step in plan.steps if step.name in anew]):
        if step.folder.exists():
            (step.folder / INPUTS_FILE).unlink(missing_ok=True)
            RunFolder(step.folder).report.unlink(missing_ok=True)
            shutil.rmtree(step.folder)
        if step.product is not None:
            (plan.folder / f"{step.product}.safetensors").unlink(missing_ok=True)
    for product, file in plan.config.weights.items():
        if not (plan.folder / f"{product}.safetensors").is_file():
            _copy(file, plan.folder / f"{product}.safetensors")


def _state(plan: Plan, step: Step) -> State:
    state, different = state_of(step.folder, derive_inputs(step.config, data=plan.data[step.name]))
    if state is State.STALE:
        raise RunError(
            f"{step.folder} was trained from something else: {', '.join(different)}. Train it and what follows anew: "
            f"--resume {quoted(plan.folder)} --redo {step.name}"
        )
    return state


def _train(plan: Plan, step: Step, trainer: Trainer, *, resume: bool) -> Mapping[str, Any]:
    run, inputs = RunFolder(step.folder), derive_inputs(step.config, data=plan.data[step.name])
    if not resume and run.path.exists():
        if run.report.exists():
            raise RunError(f"{run.path} holds a report but no {INPUTS_FILE}; move the folder away and go on")
        shutil.rmtree(run.path)  # what a start that was cut short has left
    run.path.mkdir(parents=True, exist_ok=True)
    return trainer.train(run, step.config, resume=resume, on_start=lambda: write_inputs(run.path, inputs))


def _publish(plan: Plan, step: Step) -> None:
    """Copy what a run passes on into the folder of the pipeline; nothing is done where it is there."""
    if step.product is None or step.product == "pretrained":
        return
    source, target = (folder / f"{step.product}.safetensors" for folder in (step.folder, plan.folder))
    if not source.is_file():
        raise RunError(f"{source} is missing; train the stage anew: --redo {step.name}")
    if not target.is_file() or weights_digest(source) != weights_digest(target):
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.tmp")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)
