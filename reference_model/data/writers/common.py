"""What the writers share."""

from __future__ import annotations

import os
from pathlib import Path

from reference_model.data.catalogue import PictureFolder, PictureSource


def place_picture(source: PictureSource, row: int, path: Path) -> None:
    """Put a picture at ``path``: a hard link where it is a file on the same file system, else a copy of its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, PictureFolder):
        try:
            os.link(source.describe(row), path)
        except FileExistsError:
            raise
        except OSError:  # another file system, or one without hard links
            pass
        else:
            return
    path.write_bytes(source.read(row))
