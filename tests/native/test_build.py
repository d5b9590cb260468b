"""Building on first use: once, whole, private, and with a clear word where it cannot be done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from obrl_native import build, cpu
from obrl_native.build import BuildError, Unit
from tests.project.helpers import ROOT

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
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a compiler in place that writes each command down."""
    path, wrapper = tmp_path / "log", tmp_path / "compiler"
    path.touch()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {path}\nexec {build.find_compiler()} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", str(wrapper))
    return path


def links(log: Path) -> int:
    return sum("-shared" in line for line in log.read_text().splitlines())


def small(sources: Path, **options: Any) -> Path:
    return build.build("small", UNITS, sources=sources, **options)


def test_four_processes_build_it_once(cache: Path, log: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", USE], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate()[0] for process in started] == ["60\n"] * 4
    assert links(log) == 1
    assert {path.suffix for path in (cache / "native").iterdir()} == {".so", ".sha256", ".lock"}


def test_it_is_built_once(sources: Path, cache: Path, log: Path) -> None:
    assert small(sources) == small(sources)
    assert links(log) == 1


@pytest.mark.parametrize("damage", ["cut short", "changed", "no digest", "empty"])
def test_what_is_damaged_is_built_again(damage: str, sources: Path, cache: Path, log: Path) -> None:
    library = small(sources)
    whole = library.read_bytes()
    library.with_suffix(".lock").unlink()
    changed = {"cut short": whole[: len(whole) // 2], "changed": whole[:-1] + b"x", "empty": b""}
    if damage == "no digest":
        library.with_suffix(".sha256").unlink()
    else:
        library.write_bytes(changed[damage])
    assert small(sources) == library
    assert library.read_bytes() == whole
    assert links(log) == 2


def test_a_build_that_was_killed_leaves_nothing_that_is_loaded(sources: Path, cache: Path, log: Path) -> None:
    """The digest is written first; alone, or beside the library of another build, it means nothing."""
    library = small(sources)
    library.unlink()
    assert small(sources).exists()
    assert links(log) == 2


def test_it_depends_on_sources_and_flags(sources: Path, cache: Path) -> None:
    first = small(sources)
    assert small(sources, flags=("-DOTHER",)) != first
    (sources / "unused.h").write_text("// A header counts, whoever includes it.\n")
    assert small(sources) != first


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
@pytest.mark.parametrize("part", ["cache", "cache/native"])
def test_a_cache_that_others_may_write_to_is_refused(part: str, mode: int, sources: Path, cache: Path) -> None:
    small(sources)
    (cache.parent / part).chmod(mode)
    with pytest.raises(BuildError, match=r"chmod go-w it.* OBRL_CACHE"):
        small(sources)


def test_a_library_that_others_may_write_to_is_refused(sources: Path, cache: Path) -> None:
    small(sources).chmod(0o666)
    with pytest.raises(BuildError, match="mode 666"):
        small(sources)


def test_the_cache_is_the_users_own(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert build.cache_directory() == cache
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
    with pytest.raises(BuildError, match="not today"):
        small(sources)
    assert {path.suffix for path in (cache / "native").iterdir()} == {".lock"}


def test_a_cache_that_cannot_be_made(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OBRL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BuildError, match="cannot be made"):
        small(sources)


def test_nothing_is_built_unless_it_is_asked_for(cache: Path) -> None:
    program = "import torch; from obrl.torch import OBRLoss; OBRLoss(2)(torch.zeros(3, 2), torch.ones(3, 2))"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert not cache.exists()
