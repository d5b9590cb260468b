"""The one way in which a setting is refused."""

from __future__ import annotations


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
