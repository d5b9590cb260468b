"""How much memory the counts of a table and their tests take, so that a table too wide is refused before it is read."""

from __future__ import annotations

import os
from pathlib import Path

from obrl.mining.accumulate import MOST_LABELS_WITH_PARTS
from obrl.mining.errors import TableError
from obrl.mining.tables.options import LabelTable

BYTES_PER_PAIR = 280
"""Bytes for each of the num_labels^2 pairs at the peak of `obrl mine`; measured with 2,001 and 4,000 labels."""
BYTES_PER_PAIR_WITH_PARTS = 1_500
"""Likewise with the counts of up to 64 parts of the rows; the least that was measured is 1,600, with 1,000 labels."""


def forecast_bytes(num_labels: int) -> int:
    """The least memory that mining a table takes, whatever its rows.

    Example:
        >>> round(forecast_bytes(20_000) / 1e9)
        112
    """
    parts = num_labels <= MOST_LABELS_WITH_PARTS
    return num_labels**2 * (BYTES_PER_PAIR_WITH_PARTS if parts else BYTES_PER_PAIR)


def free_bytes() -> int | None:
    """The memory that a process can still get, or, where the system does not say, all of it; None where unknown."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(table: LabelTable) -> None:
    """Raise TableError for more labels than the machine's memory allows."""
    needed, free = forecast_bytes(len(table.label_names)), free_bytes()
    if free is not None and needed > free:
        raise TableError(
            f"{len(table.label_names):,} labels make so many pairs that they take at least "
            f"{_gigabytes(needed)} of memory, and {_gigabytes(free)} are free",
            file=table.files[0],
            remedy="choose some of the labels with --labels, or leave some out with --drop",
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
