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
        folder: In a checkout; where git is not installed or knows no such folder, the answer is None.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()
