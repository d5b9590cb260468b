"""Settings as plain values: nested mappings, flat ones, YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

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
    return str(value) if isinstance(value, Path) else value


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
