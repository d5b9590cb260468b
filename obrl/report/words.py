"""Names and lists of them as they stand in a sentence or a column."""

from __future__ import annotations

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
