"""The words of a pipeline's command line: which settings there are, and which of them concern one run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from reference_model.config import FACE_NETS
from reference_model.pipeline.config import PRODUCTS, SECTIONS
from reference_model.settings.files import check_known, known_keys, make_parser
from reference_model.settings.names import ROOTS, SCENES
from reference_model.settings.plain import SettingsError, flatten, read_yaml

SHARED = ("preset", "out", "root", "data", "seed")
SHARED_GROUPS = ("images", "synthetic", "pool")
SHARED_OF_GROUPS = (
    *(f"net.{name}" for name in ("width", "depth", "strides", "norm")),
    *(f"train.{name}" for name in ("device", "threads", "progress")),
)
OF_ATTRIBUTES = ("loss", "relation.", "net.nets", "net.frozen", "net.group")
NOT_OF_A_SECTION = (
    *("stage", "preset", "out", "config", "print_config", "help", "resume", "overwrite"),
    *(f"weights.{name}" for name in ("init", "model", *FACE_NETS)),
)


@dataclass
class Words:
    """A command line taken apart; later settings win.

    Args:
        settings: The text of each setting, by name.
        resume: The folder behind ``--resume``, empty where none is named; None without ``--resume``.
        overwrite: Whether ``--overwrite`` is there.
        redo: What ``--redo`` names.
    """

    settings: dict[str, str] = field(default_factory=dict)
    resume: str | None = None
    overwrite: bool = False
    redo: str | None = None


def take_apart(arguments: Sequence[str]) -> Words:
    """Take a command line apart; flags win over ``--config`` files, later files over earlier ones.

    Raises:
        SettingsError: If it is no sequence of names and values, or a file cannot be read.
    """
    words = Words()
    rest = list(arguments)
    from_files: dict[str, str] = {}
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("--"):
            raise SettingsError(f"unexpected {argument!r}; settings are written --name value")
        key, has_value, value = argument[2:].partition("=")
        if key == "overwrite":
            words.overwrite = True
            continue
        if not has_value and rest and not rest[0].startswith("--"):
            has_value, value = "=", rest.pop(0)
        if key == "resume":
            words.resume = value
        elif not has_value:
            raise SettingsError(f"--{key} needs a value")
        elif key == "redo":
            words.redo = value
        elif key == "config":
            from_files |= file_settings(Path(value))
        else:
            words.settings[key] = value
    words.settings = from_files | words.settings
    return words


def file_settings(path: Path) -> dict[str, str]:
    """Return the text of each setting in a file, by name, as a command line would have it.

    Raises:
        SettingsError: If the file cannot be read or holds no settings.
    """
    content = flatten(read_yaml(path))
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in content.items()}


def check_keys(settings: Mapping[str, str]) -> None:
    """Refuse settings that are unknown or belong to one stage.

    Raises:
        SettingsError: With the first of them.
    """
    known = known_keys(make_parser())
    shared = {key for key in known if key in SHARED + SHARED_OF_GROUPS or key.split(".")[0] in SHARED_GROUPS}
    of_a_run = known.difference(NOT_OF_A_SECTION)
    every = shared | {f"{section}.{key}" for section in SECTIONS for key in of_a_run} | {"pretrain.weights.init"}
    every |= {f"roots.{name}" for name in (SCENES, *chain(*ROOTS.values()))}
    every |= {f"weights.{product}" for product in PRODUCTS.values()}
    for key in settings:
        if key in of_a_run - shared:
            stage = "attributes" if key.startswith(OF_ATTRIBUTES) else "identity"
            raise SettingsError(f"--{key} belongs to one stage; with --stage all name it: --{stage}.{key} VALUE")
    check_known((key for key in settings if key != "stage"), every, prefix="--", origin=" of a pipeline")


def section_of(settings: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the settings that start with a name and a dot, by the rest of their names."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}


def settings_of_run(stage: str, name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of one run: shared ones, then those of its stage, then those of the run alone."""
    shared = {
        key: value
        for key, value in settings.items()
        if key in ("seed", *SHARED_OF_GROUPS) or key.split(".")[0] in SHARED_GROUPS
    }
    return shared | section_of(settings, stage) | section_of(settings, name)
