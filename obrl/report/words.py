"""Names and lists of them as they stand in a sentence or a column."""

from __future__ import annotations

import math
from collections.abc import Sequence


def one_line(name: str, most: int) -> str:
    """A name on one line, cut to `most` characters.

    Example:
        >>> one_line("Necklace of gold", 12)
        'Necklace ...'
    """
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def listed(names: Sequence[str], *, most: int = 5) -> str:
    """Names in quotes, the first few of them.

    Example:
        >>> listed(["hat", "beard"])
        '“hat” and “beard”'
        >>> listed(["hat", "beard", "bald"], most=2)
        '“hat”, “beard” and 1 more'
    """
    shown = [f"“{one_line(name, 40)}”" for name in names[:most]]
    shown += [f"{len(names) - most:,} more"] if len(names) > most else []
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "label"), counted(2_000, "label"), counted(2, "entry", "entries")
        ('1 label', '2,000 labels', '2 entries')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def verb(number: int, plural: str) -> str:
    """The form of a regular verb that stands behind this number of things.

    Example:
        >>> verb(1, "occur"), verb(2, "occur")
        ('occurs', 'occur')
    """
    return f"{plural}s" if number == 1 else plural


def fading_in_words(decay: float) -> str:
    """For how long a batch counts under a decay below 1.

    Example:
        >>> fading_in_words(0.99)
        'a batch counts half or less once 69 further ones have come'
        >>> fading_in_words(0.2)
        'a batch counts half or less once 1 further one has come'
    """
    half = math.ceil(math.log(0.5) / math.log(decay) - 1e-9)
    return f"a batch counts half or less once {counted(half, 'further one')} {'has' if half == 1 else 'have'} come"


def share_in_words(share: float) -> str:
    """A share in per cent, never 0 % for one above 0 nor 100 % for one below 1.

    Example:
        >>> [share_in_words(share) for share in (0.25, 0.031, 0.0001, 0.9999, 1.0)]
        ['25 %', '3.1 %', 'under 0.1 %', 'over 99.9 %', '100 %']
    """
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.1f}".removesuffix(".0") + " %"


def interval_in_words(low: float, high: float) -> str:
    """Between which numbers something lies, with more digits where two do not tell them apart.

    Example:
        >>> interval_in_words(0.3911, 0.5988), interval_in_words(0.7964, 0.8012)
        ('between 0.39 and 0.60', 'between 0.796 and 0.801')
    """
    digits = 2 if f"{low:.2f}" != f"{high:.2f}" else 3
    return f"between {low:.{digits}f} and {high:.{digits}f}"
