"""From C++ sources to a library that may be loaded: compiled once, kept in the user's cache, checked before each use.

A library is named after a hash of all that it depends on: its sources, the compiler and its flags, and the processor
that it is made for. It is written under another name and renamed, by one process at a time, with the hash of its own
bytes beside it: what was cut short or changed is built again, never loaded.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "src"

FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")
"""For every source; signed zeros, infinities and NaN stay as they are."""

LINKED = ("-shared", "-pthread")

COMPILERS = ("g++", "c++", "clang++")
"""What is looked for where the environment names no `CXX`."""


class BuildError(ImportError):
    """The library cannot be built or kept here; the message says what is missing."""


@dataclass(frozen=True)
class Unit:
    """A source file and the flags that it has for itself."""

    name: str
    flags: tuple[str, ...] = ()


def cache_directory() -> Path:
    """Where libraries are kept: `OBRL_CACHE`, or else `obrl` in the user's cache directory."""
    if chosen := os.environ.get("OBRL_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "obrl"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "obrl"


def build(name: str, units: Sequence[Unit], *, sources: Path = SOURCES, flags: Sequence[str] = ()) -> Path:
    """The path of a library that may be loaded now; compiles it where there is none.

    Args:
        name: of the library.
        units: its sources, files of `sources`.
        sources: their folder; all its files count as what the library depends on.
        flags: further ones, for every source.

    Raises:
        BuildError: no compiler, one that fails, or a cache that somebody else could write to.
    """
    compiler = find_compiler()
    used = (*FLAGS, *native_flags(compiler), *flags)
    key = _hash(
        *(part for path in sorted(sources.iterdir()) if path.is_file() for part in (path.name, path.read_bytes())),
        *(repr((unit, used, LINKED)) for unit in units),
        *(_version(compiler), platform.machine(), _processor()),
    )
    folder = _private(cache_directory()) / "native"
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_private(folder)
    library = folder / f"{name}-{key[:24]}.so"
    if not _is_whole(library):
        with _locked(library.with_suffix(".lock")):
            if not _is_whole(library):
                _compile(library, compiler, units, sources, used)
    return library


def find_compiler() -> str:
    """The path of a C++ compiler."""
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    for name in wanted:
        if found := shutil.which(name):
            return found
    raise BuildError(
        f"the native code of obrl needs a C++ compiler, and found none of: {', '.join(wanted)}; install g++ (Debian "
        "and Ubuntu: apt install g++) or name another in the environment's CXX"
    )


@cache
def native_flags(compiler: str) -> tuple[str, ...]:
    """What makes a compiler use all instructions of this processor; compilers differ in whether they know it."""
    for flag in ("-march=native", "-mcpu=native"):
        tried = subprocess.run(
            [compiler, flag, "-x", "c++", "-fsyntax-only", "-"], input=b"", capture_output=True, check=False
        )
        if tried.returncode == 0:
            return (flag,)
    return ()


@cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout


@cache
def _processor() -> str:
    """The instructions that this processor has, as far as the system says."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(line for line in dict.fromkeys(lines) if line.startswith(("flags", "Features", "model name")))


def _compile(library: Path, compiler: str, units: Sequence[Unit], sources: Path, flags: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".build-") as work:
        objects = [Path(work) / f"{unit.name}.o" for unit in units]
        commands = [
            [compiler, *flags, *unit.flags, "-c", str(sources / unit.name), "-o", str(made)]
            for unit, made in zip(units, objects, strict=True)
        ]
        built = Path(work) / library.name
        commands.append([compiler, *flags, *LINKED, *map(str, objects), "-o", str(built)])
        for command in commands:
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode != 0:
                raise BuildError(f"the native code of obrl was not compiled: {' '.join(command)}\n{ended.stderr}")
        (Path(work) / "digest").write_text(_hash(built.read_bytes()))
        # The digest comes first: without its library it means nothing, and the other way round is built again.
        (Path(work) / "digest").replace(_digest(library))
        built.replace(library)


def _is_whole(library: Path) -> bool:
    """Whether a library is there and is, to the byte, what the compiler wrote."""
    try:
        _check_private(library)
        return _digest(library).read_text() == _hash(library.read_bytes())
    except FileNotFoundError:
        return False


def _digest(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _private(folder: Path) -> Path:
    """A folder of this user alone, made where it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"the native code of obrl is kept in {folder}, which cannot be made: {error}; name another folder in the "
            "environment's OBRL_CACHE"
        ) from error
    _check_private(folder)
    return folder


def _check_private(path: Path) -> None:
    """Raise where another user could have put or changed what is there."""
    status = path.stat()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BuildError(
            f"the native code of obrl is loaded from folders and files that their user alone may write to, and {path} "
            f"belongs to user {status.st_uid} with mode {stat.S_IMODE(status.st_mode):o}; chmod go-w it, or name "
            "another folder in the environment's OBRL_CACHE"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
