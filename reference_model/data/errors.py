"""Errors and warnings of reading data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class DataError(ValueError):
    """Data on disk is not what it should be; the message names the file, what was expected and what is there."""


class DataWarning(UserWarning):
    """Data on disk can be used, but differs from what is usual."""


def first_few(items: Sequence[object] | Iterable[object], *, limit: int = 5) -> str:
    """Name the first ``limit`` of ``items`` and count the others.

    Example:
        >>> first_few(["a.jpg", "b.jpg", "c.jpg"], limit=2)
        'a.jpg, b.jpg and 1 more'
    """
    listed = [str(item) for item in items]
    shown = ", ".join(listed[:limit])
    return f"{shown} and {len(listed) - limit} more" if len(listed) > limit else shown
