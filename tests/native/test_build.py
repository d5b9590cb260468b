"""Compiling on first use: once, completely, in a private folder, and with a clear error where it is not possible."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from obrl_native import build, cpu
from obrl_native.build import BuildError, Recipe, Unit
from tests.project.helpers import ROOT
from tests.support.compiler import LoggedCompiler

USE = """
import numpy as np
from obrl_native import cpu
from tests.native.calls import count
print(int(count(cpu.library(), np.ones((5, 2), np.uint8), None).sum()))
"""
UNITS = (Unit("small.cc"),)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("OBRL_CACHE", str(folder))
    return folder


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "small.cc").write_text('extern "C" int answer() { return 42; }\n')
    return folder


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoggedCompiler:
    """A compiler that logs its commands and optimizes nothing, to save time."""
    compiler = LoggedCompiler(tmp_path, flags="-O0")
    monkeypatch.setenv("CXX", str(compiler.path))
    return compiler


def small(sources: Path, **options: Any) -> Path:
    return build.build(Recipe("small", UNITS, **options), sources=sources)


def test_four_processes_build_it_once(cache: Path, compiler: LoggedCompiler) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", USE], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate()[0] for process in started] == ["60\n"] * 4
    assert compiler.links() == 1
    assert {path.suffix for path in (cache / "native").iterdir()} == {".so", ".sha256", ".lock"}


def test_it_is_built_once(
    sources: Path, cache: Path, compiler: LoggedCompiler, caplog: pytest.LogCaptureFixture
) -> None:
    before = os.umask(0o002)  # the folders and files are private whatever it says
    try:
        library = small(sources)
        assert small(sources) == library
    finally:
        os.umask(before)
    assert compiler.links() == 1
    assert caplog.messages == [f"compiling the native code of obrl for later runs too: {library}"]


@pytest.mark.parametrize("damage", ["cut short", "changed", "no digest", "a damaged digest", "empty"])
def test_what_is_damaged_is_built_again(damage: str, sources: Path, cache: Path, compiler: LoggedCompiler) -> None:
    library = small(sources)
    whole = library.read_bytes()
    changed = {"cut short": whole[: len(whole) // 2], "changed": whole[:-1] + b"x", "empty": b""}
    if damage == "no digest":
        library.with_suffix(".sha256").unlink()
    elif damage == "a damaged digest":
        library.with_suffix(".sha256").write_bytes(b"\xff" * 64)
    else:
        library.write_bytes(changed[damage])
    assert small(sources) == library
    assert library.read_bytes() == whole
    assert compiler.links() == 2


def test_a_build_that_was_killed_is_done_again(sources: Path, cache: Path, tmp_path: Path) -> None:
    """The next build removes its files."""
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nsleep 60\n")
    slow.chmod(0o755)
    program = f"""
from pathlib import Path
from obrl_native import build
build.build(build.Recipe("small", (build.Unit("small.cc"),)), sources=Path({str(sources)!r}))
"""
    # The name of the library holds CXX, so both compilers have the same path.
    compiler = tmp_path / "compiler"
    compiler.symlink_to(slow)
    environment = {**os.environ, "CXX": str(compiler)}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment)
    try:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert any(path.name.startswith(".build-") for path in (cache / "native").iterdir())
    compiler.unlink()
    compiler.symlink_to(build.find_compiler()[0])
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    assert {path.suffix for path in (cache / "native").iterdir()} == {".so", ".sha256", ".lock"}


def test_what_is_built_needs_no_compiler(sources: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    library = small(sources)
    monkeypatch.setenv("PATH", str(cache))
    assert small(sources) == library


def test_a_compiler_with_arguments(sources: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sources / "small.cc").write_text("#ifndef FLAG\n#error no flag\n#endif\n")
    monkeypatch.setenv("CXX", f"{build.find_compiler()[0]} -DFLAG")
    assert small(sources).exists()


def test_it_depends_on_sources_and_flags(sources: Path, cache: Path) -> None:
    first = small(sources)
    assert small(sources, flags=("-DOTHER",)) != first
    assert small(sources, versions=("2.0",)) != small(sources, versions=("2.1",))
    (sources / "unused.h").write_text("// A header counts, whoever includes it.\n")
    assert small(sources) != first


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
@pytest.mark.parametrize("part", ["cache", "cache/native"])
def test_a_cache_that_others_may_write_to_is_refused(part: str, mode: int, sources: Path, cache: Path) -> None:
    small(sources)
    (cache.parent / part).chmod(mode)
    with pytest.raises(BuildError, match=r"chmod go-w on it, or set OBRL_CACHE"):
        small(sources)


def test_a_library_that_others_may_write_to_is_refused(sources: Path, cache: Path) -> None:
    small(sources).chmod(0o666)
    with pytest.raises(BuildError, match="mode 666"):
        small(sources)


def test_the_cache_is_the_users_own(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert build.cache_directory() == cache
    monkeypatch.setenv("OBRL_CACHE", "~/libraries")
    assert build.cache_directory() == Path.home() / "libraries"
    monkeypatch.delenv("OBRL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_directory() == tmp_path / "obrl"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build.cache_directory() == tmp_path / ".cache" / "obrl"


def test_no_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(BuildError, match=r"found none of: g\+\+, c\+\+, clang\+\+; install g\+\+"):
        cpu.library.__wrapped__()
    monkeypatch.setenv("CXX", "icpx")
    with pytest.raises(ImportError, match="found none of: icpx"):
        cpu.library.__wrapped__()


def test_a_compiler_that_fails(sources: Path, cache: Path) -> None:
    (sources / "small.cc").write_text("#error not today\n")
    with pytest.raises(BuildError, match=r"ended with status 1; (?s:.*)not today"):
        small(sources)
    assert {path.suffix for path in (cache / "native").iterdir()} == {".lock"}


def test_a_cache_that_cannot_be_made(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OBRL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BuildError, match=r"cannot be stored.*OBRL_CACHE"):
        small(sources)


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_text("no library")
    with pytest.raises(BuildError, match=r"cannot be loaded.*OBRL_CACHE"):
        cpu.load(str(tmp_path / "x.so"))


def test_another_system(sources: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.os, "name", "nt")
    with pytest.raises(BuildError, match="runs on Linux and macOS"):
        small(sources)


def test_nothing_is_built_unless_it_is_asked_for(cache: Path) -> None:
    program = "import torch; from obrl.torch import OBRLoss; OBRLoss(2)(torch.zeros(3, 2), torch.ones(3, 2))"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert not cache.exists()
