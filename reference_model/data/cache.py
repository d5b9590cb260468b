"""The user's cache folder, for what takes long to make and can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def user_cache() -> Path:
    """Return the folder of this package in the user's cache, which may not exist yet."""
    if sys.platform == "darwin":
        default = Path.home() / "Library" / "Caches"
    elif os.name == "nt":
        default = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    else:
        default = Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "obrl"
