"""Settings in files: the parser that types and names them, and the run's ``config.yaml``, written and read."""

from __future__ import annotations

import difflib
from argparse import ArgumentError
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from jsonargparse import ArgumentParser

from reference_model.config import RunConfig
from reference_model.settings.plain import SettingsError, build, flatten, path_settings, path_text, plain, read_yaml
from reference_model.settings.words import settings_error

# The settings that may differ on resuming, for they change no result: where things are, what the console shows, what
# stays in memory, and how often checkpoints are written and the validation part is measured.
FREE_ON_RESUME = (
    "root",
    "out",
    "read.scenes",
    "read.exclude_names",
    "read.max_unusable",
    "images.memory_mb",
    "features.folder",
    "features.disk_gb",
    "train.progress",
    "train.checkpoint_every",
    "train.validate_every",
)
GROUPS_OF_SETTINGS = frozenset(name for name, kind in get_type_hints(RunConfig).items() if is_dataclass(kind))
PATHS = path_settings(RunConfig)
DESCRIPTION = """Train one stage of the paper's facial attribute model; without --stage the attributes, with
cross-entropy alone or with the joint loss of obrl. Without arguments it draws synthetic faces and compares both losses
on them (the demo preset).

--stage all trains every stage in one folder; its further options are at the end."""


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


def dump_config(config: RunConfig, parser: ArgumentParser | None = None) -> str:
    """Return the settings as YAML, in a form that ``--config`` reads.

    Args:
        config: The settings.
        parser: From `make_parser`, which takes long; None makes one.
    """
    parser = parser or make_parser()
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
    return build_config(read_typed(parser, read_settings(path, known_keys(parser))))


def read_typed(parser: ArgumentParser, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested plain values with the types of the settings.

    Raises:
        SettingsError: If a key is unknown or a value is ill-typed.
    """
    try:
        parsed: dict[str, Any] = parser.parse_object(dict(content)).as_dict()
    except (ArgumentError, TypeError) as error:
        raise settings_error(error, RunConfig) from None
    return {key: value for key, value in parsed.items() if key not in ("config", "resume", "overwrite")}


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


def read_settings(path: Path, known: set[str]) -> dict[str, Any]:
    """Read a file of settings.

    Args:
        path: The file.
        known: The names of all settings, as `known_keys` returns them.

    Raises:
        SettingsError: If it cannot be read, or holds a setting that is not known.
    """
    content = read_yaml(path)
    for group in GROUPS_OF_SETTINGS & content.keys():
        if not isinstance(content[group], Mapping):
            raise SettingsError(f"{group} in {path} must hold settings as key: value; got {content[group]!r}")
    check_known(flatten(content), known, prefix="", origin=f" in {path}")
    return content


def paths_as_text(arguments: Sequence[str], paths: Collection[str] = PATHS) -> list[str]:
    """Return the arguments with paths that the parser would read as numbers or nothing written as ``./PATH``.

    ``null`` alone stays what it is: no path.

    Args:
        arguments: A command line.
        paths: Names of the settings that are paths.
    """
    written = list(arguments)
    for place, argument in enumerate(written):
        name, has_value, value = argument.partition("=")
        if not (name.startswith("--") and name[2:] in paths):
            continue
        if has_value and value != "null":
            written[place] = f"{name}={path_text(value)}"
        elif not has_value and place + 1 < len(written) and written[place + 1] != "null":
            follows = written[place + 1]
            written[place + 1] = follows if follows.startswith("-") else path_text(follows)
    return written
