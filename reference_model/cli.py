"""The command line and the files of settings: presets, then ``--config``, then flags; the later one wins."""

from __future__ import annotations

from argparse import ArgumentError
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from reference_model.config import STAGES, RunConfig
from reference_model.places import check_places
from reference_model.runs import RunError, RunFolder
from reference_model.settings.checks import did_you_mean
from reference_model.settings.files import (
    FREE_ON_RESUME,
    build_config,
    check_known,
    known_keys,
    load_config,
    make_parser,
    paths_as_text,
    read_settings,
    read_typed,
)
from reference_model.settings.overview import list_options_of_all_stages
from reference_model.settings.plain import SettingsError, flatten, plain
from reference_model.settings.presets import default_preset, preset_settings
from reference_model.settings.words import settings_error


@dataclass(frozen=True)
class Request:
    """What a command line asks for.

    Args:
        config: The settings.
        resume: The run to go on with, or None.
        overwrite: Whether a run that is there may be replaced.
    """

    config: RunConfig
    resume: Path | None
    overwrite: bool


def parse_command(arguments: Sequence[str]) -> Request:
    """Parse a command line.

    Args:
        arguments: The arguments after the program's name.

    Returns:
        The settings and what to do with the run folder.

    Raises:
        SettingsError: If a setting is unknown, ill-typed or out of range, or contradicts the run to resume.
    """
    parser = make_parser()
    keys = _chosen(parser, arguments)
    arguments = paths_as_text(arguments)
    try:
        resume = _resume_folder(parser, arguments)
        if resume is not None:
            return Request(_resumed_config(parser, arguments, resume), resume, overwrite=False)
        stage, data = str(keys.get("stage", "attributes")), str(keys.get("data", "synthetic"))
        if {"-h", "--help"} & set(arguments):  # one help for a stage and for all of them
            list_options_of_all_stages(parser)
            if stage == "all":
                stage, arguments = "attributes", ["--help"]
        if stage not in STAGES:
            hint = did_you_mean(stage, STAGES)
            raise SettingsError(f"unknown stage {stage!r}; the stages are {', '.join(STAGES)}{hint}")
        preset = preset_settings(str(keys.get("preset") or default_preset(data)), stage)
        parser.set_defaults(flatten(read_typed(parser, preset)))
        parsed = parser.parse_args(list(arguments))
        config = build_config(parsed.as_dict())
    except RunError as error:
        raise SettingsError(str(error)) from None
    except (ArgumentError, TypeError) as error:
        raise settings_error(error, RunConfig) from None
    check_places(config)
    return Request(config, None, overwrite=bool(parsed.overwrite))


def _resume_folder(parser: ArgumentParser, arguments: Sequence[str]) -> Path | None:
    if not any(argument == "--resume" or argument.startswith("--resume=") for argument in arguments):
        return None
    # The settings are parsed later, on top of those of the run; only these flags matter here.
    flags = make_parser().parse_args([*_without_print(arguments)])
    resume = Path(flags.resume) if flags.resume else None
    if resume and flags.out and resume.resolve() != Path(flags.out).resolve():
        raise SettingsError(f"--resume {resume} and --out {flags.out} name different runs; give one of them")
    folder = resume or (Path(flags.out) if flags.out else None)
    if folder is None:
        raise SettingsError("--resume needs the run's folder: --resume RUN, or --out RUN --resume")
    if flags.overwrite:
        raise SettingsError("--resume goes on with a run and --overwrite deletes it; give one of them")
    if not RunFolder(folder).is_run():
        raise SettingsError(f"{folder} holds no run to resume")
    return folder


def _without_print(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if argument.split("=")[0] != "--print_config"]


def _resumed_config(parser: ArgumentParser, arguments: Sequence[str], folder: Path) -> RunConfig:
    stored = load_config(RunFolder(folder).config)
    parser.set_defaults(flatten(asdict(stored)))
    config = build_config(parser.parse_args(list(arguments)).as_dict() | {"out": folder})
    if config.stage != stored.stage:
        raise SettingsError(
            f"the run in {folder} is one of the stage {stored.stage}, not {config.stage}; resume it without --stage, "
            "or choose another folder with --out"
        )
    before, after = flatten(plain(asdict(stored))), flatten(plain(asdict(config)))
    changed = [key for key in before if before[key] != after[key] and key not in FREE_ON_RESUME]
    if changed:
        listed = "; ".join(f"{key} is {before[key]!r} there and {after[key]!r} here" for key in changed)
        raise SettingsError(
            f"the run in {folder} was started with other settings: {listed}. Leave them out, or start a new run"
        )
    return config


def _chosen(parser: ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """Check every key that flags and config files name; return the values, those of flags as text.

    Raises:
        SettingsError: If a key is unknown, or a file and a flag, or two files, name different presets.
    """
    known = known_keys(parser)
    from_flags: dict[str, Any] = {}
    from_files: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for place, argument in enumerate(arguments):
        if not argument.startswith("--") or argument == "--":
            continue
        key, has_value, value = argument[2:].partition("=")
        if key == "redo" or key.startswith("roots."):
            instead = "--overwrite replaces its run" if key == "redo" else f"give --data {key[6:]} --root DIR"
            raise SettingsError(f"--{key} is for --stage all and its folders; for a single stage {instead}")
        check_known([key], known, prefix="--", origin="")
        if not has_value:
            value = arguments[place + 1] if place + 1 < len(arguments) else ""
        if key == "config":
            content = flatten(read_settings(Path(value), known))
            _check_presets(origins, content.get("preset"), value)
            from_files |= content
        from_flags[key] = value
    _check_presets(origins, from_flags.get("preset"), "--preset")
    return from_files | from_flags


def _check_presets(origins: dict[str, str], preset: Any, origin: str) -> None:
    """Note which preset `origin` names; raise SettingsError where another place has named another."""
    if preset is None:
        return
    origins.setdefault(str(preset), origin)
    if len(origins) > 1:
        words = " and ".join(f"{name} in {place}" for name, place in origins.items())
        raise SettingsError(f"the presets contradict each other: {words}; leave one out")
