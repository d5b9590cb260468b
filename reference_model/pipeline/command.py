"""The command line of a whole pipeline: ``python -m reference_model.train --stage all``.

Every flag and every entry of a ``--config`` file is handed on to the command line of a stage, without its prefix; so
a setting means the same in a pipeline and in a run of its own.
"""

from __future__ import annotations

from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from reference_model.cli import parse_command
from reference_model.config import RunConfig, StageName
from reference_model.pipeline.config import (
    PRODUCTS,
    PipelineConfig,
    required_stages,
    unused_weights,
)
from reference_model.pipeline.files import PIPELINE_FILE, load_pipeline
from reference_model.pipeline.words import Words, check_keys, section_of, settings_of_run, take_apart
from reference_model.settings.files import PATHS, build_config, make_parser, paths_as_text
from reference_model.settings.names import ROOTS, SCENES
from reference_model.settings.plain import SettingsError, flatten
from reference_model.settings.words import settings_error

DRAWN_ATTRIBUTES = ("celeba", "lfwa")


@dataclass(frozen=True)
class PipelineRequest:
    """What a command line asks for.

    Args:
        config: The pipeline; its ``out`` is the folder to go on with where ``resume`` is set.
        resume: Whether the folder's pipeline goes on.
        overwrite: Whether a pipeline that is there may be replaced.
        redo: The stage or run to train anew, with all that follows; None for none.
    """

    config: PipelineConfig
    resume: bool
    overwrite: bool
    redo: str | None


def is_pipeline(arguments: Sequence[str]) -> bool:
    """Say whether a command line is that of a whole pipeline: by its ``--stage``, or by the run that it resumes."""
    if any(argument in ("-h", "--help") for argument in arguments):
        return False
    try:
        words = take_apart(arguments)
    except SettingsError:  # explained where the command line is parsed
        return "--stage=all" in arguments or ("--stage", "all") in pairwise(arguments)
    if "stage" in words.settings:
        return words.settings["stage"] == "all"
    folder = words.resume or words.settings.get("out")
    resumes = words.resume is not None or words.redo is not None
    return bool(resumes and folder and (Path(folder) / PIPELINE_FILE).is_file())


def parse_pipeline(arguments: Sequence[str]) -> PipelineRequest:
    """Parse the command line of a pipeline.

    Raises:
        SettingsError: If a setting is unknown, ill-typed or out of range, belongs to one stage, or a stage has no data.
    """
    words = take_apart(arguments)
    check_keys(words.settings)
    if words.resume is None and words.redo is None:
        return PipelineRequest(_new_pipeline(words.settings), resume=False, overwrite=words.overwrite, redo=None)
    folder = _folder_to_resume(words)
    stored = load_pipeline(folder)
    if words.redo is not None and words.redo not in {*stored.runs, *(run.stage for run in stored.runs.values())}:
        raise SettingsError(f"--redo {words.redo} names no stage of {folder}; it has {', '.join(stored.runs)}")
    return PipelineRequest(_changed(stored, words.settings, folder), resume=True, overwrite=False, redo=words.redo)


def _folder_to_resume(words: Words) -> Path:
    out = words.settings.get("out")
    if words.resume and out and Path(words.resume).resolve() != Path(out).resolve():
        raise SettingsError(f"--resume {words.resume} and --out {out} name different pipelines; give one of them")
    folder = words.resume or out
    if not folder:
        raise SettingsError("--resume and --redo need the pipeline's folder: --resume RUN, or --out RUN")
    if words.overwrite:
        raise SettingsError("--overwrite deletes a pipeline that --resume or --redo goes on with; give one of them")
    if not (Path(folder) / PIPELINE_FILE).is_file():
        raise SettingsError(f"{folder} holds no pipeline to go on with: it has no {PIPELINE_FILE}")
    return Path(folder)


def _new_pipeline(settings: Mapping[str, str]) -> PipelineConfig:
    roots = {name: Path(root) for name, root in section_of(settings, "roots").items()}
    weights = {name: Path(file) for name, file in section_of(settings, "weights").items()}
    preset = settings.get("preset", "small" if roots else "demo")
    last = {
        name: _derive("attributes", name, preset, settings, roots, data=data)
        for name, data in _attribute_runs(settings, roots).items()
    }
    nets = [net for run in last.values() for net in run.net.nets]
    unused = unused_weights(nets, weights)
    if unused:
        raise SettingsError(f"nothing starts from --weights.{unused[0]}; leave it out")
    singles: dict[str, RunConfig] = {
        stage: _derive(stage, stage, preset, settings, roots, data=_data_of(stage, settings, roots))
        for stage in required_stages(nets, weights)
    }
    out = Path(settings["out"]) if "out" in settings else None
    return PipelineConfig(preset, singles | last, roots, weights, out)


def _is_drawn(settings: Mapping[str, str], roots: Mapping[str, Path]) -> bool:
    """Say whether stages without a data set are trained on drawn pictures: where that is asked for, or with demo."""
    if "data" not in settings:
        return not roots and settings.get("preset", "demo") == "demo"
    if settings["data"] != "synthetic":
        name = settings["data"]
        raise SettingsError(f"--data {name} names one data set; with --stage all write --roots.{name} DIR")
    return True


def _attribute_runs(settings: Mapping[str, str], roots: Mapping[str, Path]) -> dict[str, str]:
    """Return the runs that train attributes, with their data: one for each set."""
    if "attributes.data" in settings:
        return {"attributes": settings["attributes.data"]}
    named = [name for name in ROOTS["attributes"] if name in roots]
    if len(named) == 1:
        return {"attributes": named[0]}
    if named:
        return {f"attributes-{name}": name for name in named}
    if _is_drawn(settings, roots):
        return {f"attributes-{name}": "synthetic" for name in DRAWN_ATTRIBUTES}
    raise SettingsError(
        "the stage attributes has no pictures: give --roots.celeba DIR, --roots.lfwa DIR or both; or --data "
        "synthetic to draw them"
    )


def _data_of(stage: str, settings: Mapping[str, str], roots: Mapping[str, Path]) -> str:
    if f"{stage}.data" in settings:
        return settings[f"{stage}.data"]
    named = [name for name in ROOTS[stage] if name in roots]
    if named:
        return named[0]
    if _is_drawn(settings, roots):
        return "synthetic"
    flags = " or ".join(f"--roots.{name} DIR" for name in ROOTS[stage])
    raise SettingsError(
        f"the stage {stage} has no pictures: give {flags}; or its weights, --weights.{PRODUCTS[stage]} FILE; "
        "or --data synthetic to draw them"
    )


def _derive(
    stage: StageName, name: str, preset: str, settings: Mapping[str, str], roots: Mapping[str, Path], *, data: str
) -> RunConfig:
    """Return the settings of a run: shared ones, then those of its stage, then those of the run alone."""
    chosen = {"stage": stage, "preset": preset, "data": data} | settings_of_run(stage, name, settings)
    root = settings.get("root") if chosen["data"] == "synthetic" else roots.get(chosen["data"])
    if root is not None:
        chosen.setdefault("root", str(root))
    if stage == "face":
        if SCENES in roots:
            chosen.setdefault("read.scenes", str(roots[SCENES]))
        elif chosen["data"] != "synthetic" and not chosen.keys() & {"read.scenes", "read.scenes_data"}:
            raise SettingsError(
                f"the stage face has no pictures without faces: give --roots.{SCENES} DIR, or --face.read.scenes_data "
                "tiles to make them from shuffled tiles of the faces"
            )
    try:
        config = parse_command([f"--{key}={value}" for key, value in chosen.items()]).config
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from None
    return _with_one_loss(config, asked="loss" in chosen)


def _with_one_loss(config: RunConfig, *, asked: bool) -> RunConfig:
    """Return the settings with the joint loss where a preset would compare two; refuse a user's wish to do so."""
    if config.loss != "both":
        return config
    if asked:
        raise SettingsError("a pipeline trains the attributes with one loss: --attributes.loss ce or obrl")
    return replace(config, loss="obrl")


def _changed(stored: PipelineConfig, settings: Mapping[str, str], folder: Path) -> PipelineConfig:
    """Return the settings of a pipeline that goes on, with what the command line changes."""
    if settings.get("preset", stored.preset) != stored.preset:
        raise SettingsError(f"the pipeline in {folder} was started with the preset {stored.preset}; leave --preset out")
    weights = {name: Path(file) for name, file in section_of(settings, "weights").items()}
    roots = {name: Path(root) for name, root in section_of(settings, "roots").items()}
    late = sorted(weights.keys() - stored.weights.keys())
    if late:
        raise SettingsError(f"the pipeline in {folder} trains {late[0]} itself; start another one with its weights")
    runs = {}
    for name, run in stored.runs.items():
        chosen = settings_of_run(run.stage, name, settings)
        if run.data in roots:
            chosen.setdefault("root", str(roots[run.data]))
        if run.stage == "face" and SCENES in roots:
            chosen.setdefault("read.scenes", str(roots[SCENES]))
        try:
            runs[name] = _with_one_loss(parse_over(run, chosen), asked=True)
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from None
    return PipelineConfig(stored.preset, runs, {**stored.roots, **roots}, {**stored.weights, **weights}, folder)


def parse_over(config: RunConfig, chosen: Mapping[str, str]) -> RunConfig:
    """Return settings with some of them replaced.

    Args:
        config: The settings.
        chosen: The text of each new setting, by name.

    Raises:
        SettingsError: If a setting is ill-typed or out of range.
    """
    parser = make_parser()
    parser.set_defaults(flatten(asdict(config)))
    arguments = paths_as_text([f"--{key}={value}" for key, value in chosen.items()], PATHS)
    try:
        parsed = parser.parse_args(list(arguments))
    except (ArgumentError, TypeError) as error:
        raise settings_error(error, RunConfig) from None
    return build_config(parsed.as_dict())
