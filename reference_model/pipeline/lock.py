"""One process at a time trains the cells of a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reference_model.runs import RunError

LOCK_FILE = "lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let no other process train cells in a folder meanwhile; a lock ends with its process, however that ends.

    Args:
        folder: The folder, which is made.

    Raises:
        RunError: If another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another process trains the cells in {folder}: wait for it, or choose another --out; with the same "
                "--cells it uses what the other one has finished"
            ) from None
        yield
