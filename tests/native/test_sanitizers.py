"""AddressSanitizer and UndefinedBehaviorSanitizer report nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from obrl_native import build
from tests.project.helpers import ROOT


def run(module: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run a module, named with its arguments, with the sanitizers loaded first and an empty cache."""
    (compiler,) = build.find_compiler()
    runtimes = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    assert all(Path(runtime).is_absolute() for runtime in runtimes)
    return subprocess.run(
        [sys.executable, "-m", *module.split()],
        cwd=ROOT,
        env={
            **os.environ,
            "LD_PRELOAD": " ".join(runtimes),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python itself keeps memory to the end
            "OBRL_CACHE": str(cache),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("code", ["cpu", "cuda"])
def test_no_error_is_reported(code: str, tmp_path: Path) -> None:
    ended = run(f"tests.native.sanitized {code}", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert all(line.startswith("compiling the native code") for line in ended.stderr.splitlines()), ended.stderr
    assert int(ended.stdout.split()[0]) > 1000
