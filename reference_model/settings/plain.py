"""Settings as plain values: nested mappings, flat ones, YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from jsonargparse import get_loader


class SettingsError(ValueError):
    """The settings cannot be used; the message is meant for the user."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Raises:
        SettingsError: If it cannot be read or holds no settings.
    """
    try:
        content = get_loader("yaml")(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings in {path}: {error.strerror}") from None
    except Exception as error:  # the loader does not document its error types
        raise SettingsError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold settings as key: value; got {type(content).__name__}")
    return content


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as a flat one, with names such as ``train.epochs``."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def plain(value: Any) -> Any:
    """Return a value with lists for tuples and text for paths, as YAML and JSON hold them."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return path_text(str(value)) if isinstance(value, Path) else value


def path_text(text: str) -> str:
    """Return the path ``text`` in a form that YAML reads as text: ``./1e3`` for 1e3, ``./null`` for null.

    Example:
        >>> path_text("1e3"), path_text("runs/first")
        ('./1e3', 'runs/first')
    """
    try:
        if get_loader("yaml")(text) == text:
            return text
    except Exception:
        pass
    return text if Path(text).is_absolute() else f"./{text}"


def path_settings(kind: Any, prefix: str = "") -> frozenset[str]:
    """Return the names of the paths in a class of settings, such as ``weights.init``."""
    names: set[str] = set()
    for name, hint in get_type_hints(kind).items():
        if is_dataclass(hint):
            names |= path_settings(hint, f"{prefix}{name}.")
        elif Path in (hint, *get_args(hint)):
            names.add(f"{prefix}{name}")
    return frozenset(names)


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested mapping that `flatten` makes ``flat`` of."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *groups, key = name.split(".")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[key] = value
    return nested


def build(kind: Any, content: Mapping[str, Any]) -> Any:
    """Return a dataclass from nested plain values; it checks the ranges itself."""
    hints = get_type_hints(kind)
    arguments = {}
    for key, value in content.items():
        if is_dataclass(hints[key]):
            arguments[key] = build(hints[key], dict(value))
        else:
            arguments[key] = tuple(value) if isinstance(value, list) else value
    return kind(**arguments)
