"""What the reports' texts share: numbers in words, tables in Markdown, and which partition is reported on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

Part = TypeVar("Part")


def percent(value: float | None) -> str:
    """Return a share as text; ``"-"`` where it is undefined (None or NaN).

    Example:
        >>> percent(0.1234), percent(float("nan"))
        ('12.34 %', '-')
    """
    return "-" if value is None or value != value else f"{100 * value:.2f} %"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as text; ``"-"`` where it is undefined (None or NaN).

    Example:
        >>> number(7.316), number(None)
        ('7.32', '-')
    """
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned, so that it reads well on a console too.

    Args:
        header: The columns' titles.
        rows: Cells; the first column is set to the left, the others to the right.

    Example:
        >>> print(table(["class", "pictures"], [["cat", "12"], ["dog", "7"]]))
        | class | pictures |
        |-------|---------:|
        | cat   |       12 |
        | dog   |        7 |
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) if i == 0 else "-" * (width + 1) + ":" for i, width in enumerate(widths))
    return "\n".join([lines[0], rule + "|", *lines[1:]])


def reported_partition(collected: Mapping[str, Part], preferred: str = "test") -> tuple[str, Part]:
    """Return the partition that a report is on: the preferred one where it was evaluated, else the first.

    Args:
        collected: What was evaluated, by partition.
        preferred: The partition.
    """
    name = preferred if preferred in collected else next(iter(collected))
    return name, collected[name]


def heading(report: Mapping[str, Any]) -> str:
    """Return the first line of a report's text: stage, data, partition and number of pictures."""
    name = " ".join(str(report[key]) for key in ("stage", "data") if key in report)
    return f"{name + ', ' if name else ''}{report['partition']} partition, {report['samples']} pictures"
