"""A bar on standard error that shows how far a table is read, and how fast."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from obrl.mining.blocks import Block

WIDTH = 24
SECONDS_BETWEEN = 0.1


class Progress:
    """Shows a bar, the rows and their rate while it is entered; silent where nobody watches.

    Args:
        quiet: show nothing.
        stream: where to show it; a stream that is no terminal gets nothing.

    Attributes:
        rows: the rows so far.

    Example:
        >>> with Progress(quiet=True) as progress:
        ...     progress.rows
        0
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shows = not quiet and self._stream.isatty()
        self._start = self._last = time.perf_counter()
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __call__(self, block: Block) -> None:
        """Count the rows of a block that is done."""
        self.add(block.rows, block.read)

    def add(self, rows: int, share: float | None) -> None:
        """Count rows that are done, and show the share of all that is."""
        self.rows += rows
        now = time.perf_counter()
        if self._shows and now - self._last >= SECONDS_BETWEEN:
            self._last = now
            line = progress_line(self.rows, now - self._start, share)
            self._stream.write(f"\r\033[K{line}")
            self._stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shows:
            self._stream.write("\r\033[K")
            self._stream.flush()


def progress_line(rows: int, seconds: float, share: float | None) -> str:
    """What the bar shows.

    Args:
        rows: so far.
        seconds: since the start.
        share: of the input that is read, in [0, 1]; None if unknown.

    Example:
        >>> progress_line(3_000_000, 2.0, 0.5)
        '[############............]  50 %  3,000,000 rows  1,500,000 rows/s'
        >>> progress_line(100, 2.0, None)
        '100 rows  50 rows/s'
    """
    rate = f"{rows:,} rows  {rows / max(seconds, 1e-9):,.0f} rows/s"
    if share is None:
        return rate
    filled = int(min(max(share, 0.0), 1.0) * WIDTH)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}  {rate}".replace("%", " %")
