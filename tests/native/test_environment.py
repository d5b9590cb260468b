"""What `obrl env` says of native code: the compiler, the cache, and whether a library is compiled."""

from pathlib import Path

import pytest

from obrl_native.build import Recipe, Unit, build, is_compiled
from obrl_native.environment import facts, native_code

RECIPE = Recipe("small", (Unit("small.cc"),))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that does not exist yet."""
    monkeypatch.setenv("OBRL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_asking_compiles_nothing_and_creates_no_folder(cache: Path, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "small.cc").write_text('extern "C" int one() { return 1; }\n')
    assert not is_compiled(RECIPE, sources=sources)
    assert facts()["cache"] == f"{cache}: nothing compiled yet"
    assert not cache.exists()
    build(RECIPE, sources=sources)
    assert is_compiled(RECIPE, sources=sources)
    assert facts()["cache"] == f"{cache}: 1 compiled library"
    (sources / "small.cc").write_text('extern "C" int one() { return 2; }\n')
    assert not is_compiled(RECIPE, sources=sources)


def test_a_call_compiles_or_raises(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("no such library", ())
    assert native_code(recipe) == "native code, which the first call compiles"
    monkeypatch.setattr("obrl_native.environment.is_compiled", lambda recipe: True)
    assert native_code(recipe) == "native code, compiled already"
    monkeypatch.undo()
    monkeypatch.setenv("OBRL_CACHE", str(cache))
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert native_code(recipe).startswith("raises: the native code of obrl needs a C++ compiler")
    assert facts()["C++ compiler"].startswith("none that works: ")


def test_a_compiler_without_a_version_says_so(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexit 3\n")
    silent.chmod(0o755)
    monkeypatch.setenv("CXX", str(silent))
    assert facts()["C++ compiler"] == f"{silent}: no version, exit status 3"


def test_a_cache_that_is_a_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OBRL_CACHE", str(tmp_path / "file"))
    assert facts()["cache"].startswith("cannot be used: ")
