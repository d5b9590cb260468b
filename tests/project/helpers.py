"""What the tests of this folder share: the repository, its files, and fresh interpreters."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tracked_files() -> list[Path]:
    """Every file of the repository, as git sees it, with those not yet added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def run_python(program: str, *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    """Run a program in a fresh interpreter; returns what it printed and raises with its errors where it fails."""
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, env=variables)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
