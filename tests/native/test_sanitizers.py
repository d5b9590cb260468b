"""AddressSanitizer and UndefinedBehaviorSanitizer find nothing, and would find something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from obrl_native import build
from tests.project.helpers import ROOT


def run(*, sources: Path | None = None, cache: Path) -> subprocess.CompletedProcess[str]:
    (compiler,) = build.find_compiler()
    runtimes = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    assert all(Path(runtime).is_absolute() for runtime in runtimes)
    program = "from tests.native import sanitized; sanitized.main([])"
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
    ended = run(cache=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout.split()[0]) > 1000


@pytest.mark.parametrize(
    ("name", "old", "new", "found"),
    [
        (
            "relation.cc",
            "bits.ones.assign(num_labels, 0)",
            "bits.ones.assign(num_labels - 1, 0)",
            "heap-buffer-overflow",
        ),
        ("vector.h", "v, count * sizeof(T))", "v, sizeof v)", "heap-buffer-overflow"),
    ],
)
def test_a_mistake_would_be_found(name: str, old: str, new: str, found: str, tmp_path: Path) -> None:
    sources = tmp_path / "src"
    shutil.copytree(build.SOURCES, sources)
    text = (sources / name).read_text()
    assert old in text
    (sources / name).write_text(text.replace(old, new))
    ended = run(sources=sources, cache=tmp_path / "cache")
    assert ended.returncode != 0
    assert found in ended.stderr
