"""The command line and the files of settings: presets, then ``--config``, then flags; the later one wins."""

from __future__ import annotations

import difflib
from argparse import ArgumentError
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from jsonargparse import ArgumentParser

from reference_model.config import STAGES, RunConfig
from reference_model.runs import RunError, RunFolder
from reference_model.settings.checks import did_you_mean
from reference_model.settings.places import check_places, paths_as_text
from reference_model.settings.plain import SettingsError, build, flatten, path_settings, plain, read_yaml
from reference_model.settings.presets import PRESETS, default_preset, preset_settings

__all__ = [
    "FREE_ON_RESUME",
    "PRESETS",
    "Request",
    "SettingsError",
    "build_config",
    "check_known",
    "dump_config",
    "known_keys",
    "load_config",
    "make_parser",
    "parse_command",
    "read_typed",
]

# The settings that may differ on resuming: where things are, what the console shows, what is kept in memory.
FREE_ON_RESUME = (
    "root",
    "out",
    "read.scenes",
    "read.exclude_names",
    "read.max_unusable",
    "images.memory_mb",
    "train.progress",
    "train.checkpoint_every",
)
GROUPS_OF_SETTINGS = frozenset(name for name, kind in get_type_hints(RunConfig).items() if is_dataclass(kind))
PATHS = path_settings(RunConfig)
DESCRIPTION = """Train one stage of the paper's facial attribute model; without --stage the attributes, with
cross-entropy alone or with the joint loss of obrl. Without arguments it draws synthetic faces and compares both losses
on them (the demo preset)."""


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


def make_parser() -> ArgumentParser:
    """Return the parser of ``python -m reference_model.train``."""
    parser = ArgumentParser(
        prog="python -m reference_model.train",
        description=DESCRIPTION,
        exit_on_error=False,
        allow_abbrev=False,
        default_env=False,
    )
    parser.add_argument("--config", action="config", help="A YAML file of settings; flags win over it.")
    parser.add_class_arguments(RunConfig, None, fail_untyped=True)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        default=None,
        metavar="RUN",
        help="Go on with an interrupted run: its folder, or nothing to take the folder of --out.",
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace the run that the folder of --out holds.")
    return parser


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
    arguments = paths_as_text(arguments, PATHS)
    try:
        resume = _resume_folder(parser, arguments)
        if resume is not None:
            return Request(_resumed_config(parser, arguments, resume), resume, overwrite=False)
        stage, data = str(keys.get("stage", "attributes")), str(keys.get("data", "synthetic"))
        if stage not in STAGES:
            hint = did_you_mean(stage, STAGES)
            raise SettingsError(f"unknown stage {stage!r}; the stages are {', '.join(STAGES)}{hint}")
        preset = preset_settings(str(keys.get("preset") or default_preset(data)), stage)
        parser.set_defaults(flatten(read_typed(parser, preset)))
        parsed = parser.parse_args(list(arguments))
        config = build_config(parsed.as_dict())
    except (ArgumentError, TypeError, RunError) as error:
        raise SettingsError(str(error)) from None
    check_places(config)
    return Request(config, None, overwrite=bool(parsed.overwrite))


def build_config(content: Mapping[str, Any]) -> RunConfig:
    """Build the typed settings from nested plain values.

    Raises:
        SettingsError: If a value is out of range.
    """
    known = {field.name for field in fields(RunConfig)}
    try:
        config: RunConfig = build(RunConfig, {key: value for key, value in content.items() if key in known})
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return config


def dump_config(config: RunConfig) -> str:
    """Return the settings as YAML, in a form that ``--config`` reads."""
    parser = make_parser()
    content = plain(asdict(config))
    typed = parser.parse_object(content)
    for name, value in flatten(content).items():
        if name in PATHS:
            typed[name] = value  # text, as `plain` writes it
    text: str = parser.dump(typed, skip_validation=True)
    lines = [line for line in text.splitlines() if not line.startswith(("resume:", "overwrite:", "config:"))]
    return "\n".join(lines) + "\n"


def load_config(path: Path) -> RunConfig:
    """Read the settings of a run.

    Raises:
        SettingsError: If the file is missing or holds an unknown or ill-typed setting.
    """
    parser = make_parser()
    return build_config(read_typed(parser, _read_settings(path, known_keys(parser))))


def read_typed(parser: ArgumentParser, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested plain values with the types of the settings.

    Raises:
        SettingsError: If a key is unknown or a value is ill-typed.
    """
    try:
        parsed: dict[str, Any] = parser.parse_object(dict(content)).as_dict()
    except (ArgumentError, TypeError) as error:
        raise SettingsError(str(error)) from None
    return {key: value for key, value in parsed.items() if key not in ("config", "resume", "overwrite")}


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
        check_known([key], known, prefix="--", origin="")
        if not has_value:
            value = arguments[place + 1] if place + 1 < len(arguments) else ""
        if key == "config":
            content = flatten(_read_settings(Path(value), known))
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


def known_keys(parser: ArgumentParser) -> set[str]:
    """Return every name that the command line knows, without its dashes."""
    actions = parser._actions
    return {option[2:] for action in actions for option in action.option_strings if option.startswith("--")}


def check_known(keys: Iterable[str], known: set[str], *, prefix: str, origin: str) -> None:
    """Raise SettingsError for the first key that is not known, with names that are like it."""
    for key in keys:
        if key in known:
            continue
        alike = sorted(name for name in known if name.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1])
        alike += difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.6)
        hint = ""
        if alike:
            hint = "; did you mean " + " or ".join(f"{prefix}{name}" for name in dict.fromkeys(alike)) + "?"
        raise SettingsError(f"unknown setting {prefix}{key}{origin}{hint}")


def _read_settings(path: Path, known: set[str]) -> dict[str, Any]:
    """Read a file of settings, refusing keys that are not known."""
    content = read_yaml(path)
    for group in GROUPS_OF_SETTINGS & content.keys():
        if not isinstance(content[group], Mapping):
            raise SettingsError(f"{group} in {path} must hold settings as key: value; got {content[group]!r}")
    check_known(flatten(content), known, prefix="", origin=f" in {path}")
    return content
