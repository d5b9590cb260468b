"""Data sets that are one large file."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from reference_model.data.errors import DataError, first_few
from reference_model.data.recognise import describe_layout


def find_file(root: Path, suffix: str, *, usual: str, unlike: str = "") -> Path:
    """Return the one file that a user means.

    Args:
        root: The file, or its folder.
        suffix: The end of its name.
        usual: The name that is preferred where there are several.
        unlike: The end of names of other files; empty if there are none.

    Raises:
        DataError: If there is none, or several and none has the usual name.
    """
    files = [root] if root.suffix == suffix and root.is_file() else []
    if root.is_dir():
        files = sorted(path for path in root.glob(f"*{suffix}") if not (unlike and path.name.endswith(unlike)))
    if len(files) > 1:
        files = [path for path in files if path.name == usual] or files
    if not files:
        raise DataError(f"{root}: no file ending in {suffix} there; {describe_layout(root)}")
    if len(files) > 1:
        raise DataError(f"{root}: holds {first_few([path.name for path in files])}; give one of them with --root")
    return files[0]


class LargeFile:
    """An open file; threads and forked processes may read it at the same time, spawned ones open it anew.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        weakref.finalize(self, os.close, self._descriptor)

    def __reduce__(self) -> tuple[type[LargeFile], tuple[Path]]:
        """Open the file anew in another process."""
        return type(self), (self.path,)

    def read(self, start: int, length: int, *, where: str) -> bytes:
        """Return some bytes.

        Args:
            start: The first one's place.
            length: How many.
            where: What they are, for messages.

        Raises:
            DataError: If they cannot be read, or the file ends before.
        """
        try:
            data = os.pread(self._descriptor, length, start)
        except OSError as error:
            raise DataError(f"{where}: cannot be read ({error.strerror})") from error
        if len(data) < length:
            raise DataError(f"{where}: the file ends within it; it is cut off, fetch it anew")
        return data
