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

MODULES = ("sanitized", "sanitized_cuda")


def run(
    module: str, *, package: str = "tests.native", sources: Path | None = None, cache: Path
) -> subprocess.CompletedProcess[str]:
    """Run `main` of a module that builds with the sanitizers, which are loaded before it."""
    (compiler,) = build.find_compiler()
    runtimes = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    assert all(Path(runtime).is_absolute() for runtime in runtimes)
    program = f"from {package} import {module}; {module}.main([])"
    if sources is not None:
        program = f"from obrl_native import build; from pathlib import Path; build.SOURCES = Path({str(sources)!r});\
build.build.__kwdefaults__['sources'] = build.SOURCES; {program}"
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


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_found(module: str, cache: Path) -> None:
    ended = run(module, cache=cache)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout.split()[0]) > 1000


@pytest.mark.parametrize(
    ("module", "file", "old", "new", "found"),
    [
        # Reading a whole vector where the last numbers of a batch are fewer.
        ("sanitized", "vector.h", "v, count * sizeof(T))", "v, sizeof v)", "heap-buffer-overflow"),
        # Room for fewer arguments than kernels take.
        ("sanitized_cuda", "launcher.cc", "void*, kArgs> arguments", "void*, 4> arguments", "buffer-overflow"),
    ],
    ids=MODULES,
)
def test_a_mistake_would_be_found(
    module: str, file: str, old: str, new: str, found: str, tmp_path: Path, cache: Path
) -> None:
    sources = tmp_path / "src"
    shutil.copytree(build.SOURCES, sources)
    text = (sources / file).read_text()
    assert old in text
    (sources / file).write_text(text.replace(old, new))
    ended = run(module, sources=sources, cache=cache)
    assert ended.returncode != 0
    assert found in ended.stderr
