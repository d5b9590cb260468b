"""What a result was computed with: the processor, and the commit of the sources."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path


def processor_name() -> str:
    """Return the processor's name, the architecture where the system does not say it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def commit_of(folder: Path) -> str | None:
    """Return the commit of the sources in a folder, with ``-dirty`` where they differ from it.

    Args:
        folder: In a checkout; where git is not installed or tracks no file of the folder, the answer is None, as for
            a package that is installed inside of another repository.
    """
    try:
        _git(folder, "ls-files", "--error-unmatch", ".")
        return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*").strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
