"""How a setting is refused."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def require(condition: bool, name: str, expected: str, got: object) -> None:
    """Raise ValueError unless ``condition`` holds.

    Args:
        condition: Whether the setting can be used.
        name: The setting, as on the command line.
        expected: Its range in words.
        got: Its value.
    """
    if not condition:
        raise ValueError(f"{name} must be {expected}; got {got!r}")


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """Return ``"; did you mean ...?"`` with the choice most like ``word``, or nothing."""
    alike = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {alike[0]}?" if alike else ""
