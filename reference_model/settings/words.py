"""What a parser says of a setting, in the words of every other error: the setting, what is expected, what came."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from reference_model.settings.checks import did_you_mean
from reference_model.settings.plain import SettingsError

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
_LISTS = {
    int: "whole numbers, such as [2, 1]",
    float: "numbers, such as [0.5, 0.75]",
    str: "words, such as [net_1, net_2]",
}
_KEY = re.compile(r'[Kk]ey "([\w.]+)"')
_VALUE = re.compile(r"(?:Got|Given) value: (.*)", re.DOTALL)


def settings_error(error: Exception, settings: Any) -> SettingsError:
    """Return a parser's error as one line for the user.

    Args:
        error: What jsonargparse raised.
        settings: The class of the settings.
    """
    text = str(error)
    if without_value := re.search(r"argument (--\S+): expected one argument", text):
        return SettingsError(f"{without_value[1]} needs a value")
    if stray := re.search(r"[Uu]nrecognized arguments: (.*)", text):
        return SettingsError(f"unexpected {stray[1]!r}; settings are written --name value")
    key, value = _KEY.search(text), _VALUE.search(text)
    kind = type_of(settings, key[1]) if key else None
    if key is None or value is None or kind is None:
        return SettingsError(" ".join(text.split()))
    came = value[1].strip()
    return SettingsError(f"{key[1]} must be {expected(kind)}; got {came!r}{did_you_mean(came, _choices(kind))}")


def type_of(settings: Any, name: str) -> Any | None:
    """Return the type of a setting by its name, such as ``train.epochs``; None for a name that is none."""
    kind = settings
    for part in name.split("."):
        kind = get_type_hints(kind).get(part) if is_dataclass(kind) else None
    return kind


def expected(kind: Any) -> str:
    """Return a type in words.

    Example:
        >>> expected(int | None), expected(Literal["ce", "obrl", "both"]), expected(tuple[int, int])
        ('a whole number, or null', 'one of ce, obrl, both', 'a list of 2 whole numbers, such as [2, 1]')
    """
    arguments = get_args(kind)
    if is_dataclass(kind):
        return "settings as key: value"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if get_origin(kind) is tuple:
        count = "" if arguments[-1] is ... else f"{len(arguments)} "
        return f"a list of {count}{_LISTS.get(arguments[0], 'values')}"
    if NoneType in arguments:
        return " or ".join(expected(part) for part in arguments if part is not NoneType) + ", or null"
    return _KINDS.get(kind, str(kind))


def _choices(kind: Any) -> tuple[str, ...]:
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()
