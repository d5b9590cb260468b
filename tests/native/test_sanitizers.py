"""AddressSanitizer and UndefinedBehaviorSanitizer find nothing, and would find something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from obrl_native import build
from tests.project.helpers import ROOT

OF_THE_CPU = "from tests.native import sanitized; sanitized.main([])"


def run(program: str, *, sources: Path | None = None, cache: Path) -> subprocess.CompletedProcess[str]:
    """A program that builds with the sanitizers, which are there before it."""
    (compiler,) = build.find_compiler()
    runtimes = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    assert all(Path(runtime).is_absolute() for runtime in runtimes)
    if sources is not None:
        program = f"from obrl_native import build; from pathlib import Path; import functools;\
build.build = functools.partial(build.build, sources=Path({str(sources)!r})); {program}"
    return subprocess.run(
        [sys.executable, "-c", program],
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


def test_nothing_is_found(tmp_path: Path) -> None:
    ended = run(OF_THE_CPU, cache=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout.split()[0]) > 1000


def test_a_mistake_would_be_found(tmp_path: Path) -> None:
    """Reading a whole vector where the last numbers of a batch are fewer."""
    sources = tmp_path / "src"
    shutil.copytree(build.SOURCES, sources)
    header = sources / "vector.h"
    text = header.read_text()
    assert "v, count * sizeof(T))" in text
    header.write_text(text.replace("v, count * sizeof(T))", "v, sizeof v)"))
    ended = run(OF_THE_CPU, sources=sources, cache=tmp_path / "cache")
    assert ended.returncode != 0
    assert "heap-buffer-overflow" in ended.stderr
