"""Compile C++ sources to a library, once: it stays in the user's cache, and is checked before each use.

The name of a library holds a hash of everything that it depends on: its sources, the flags, and the processor. One
process at a time writes it, under another name, and renames it. A file beside it holds the hash of its bytes; a library
that is incomplete or was changed is compiled again and never loaded. Linux and macOS.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "src"

FLAGS = ("-std=c++17", "-O3", "-fPIC", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")
"""For every source. They keep signed zeros, infinities and NaN."""

_LOGGER = logging.getLogger("obrl")

COMPILERS = ("g++", "c++", "clang++")
"""The compilers to look for if the environment has no `CXX`."""


class BuildError(ImportError):
    """The library cannot be compiled or written to the cache; the message says what is missing."""

    # AutoGraph re-raises an error of a `tf.function` with a longer message. It keeps the type of the error only if the
    # constructor is that of Exception.
    __init__ = Exception.__init__


@dataclass(frozen=True)
class Unit:
    """A source file, and flags for this file alone."""

    name: str
    flags: tuple[str, ...] = ()


def cache_directory() -> Path:
    """The folder of all libraries: `OBRL_CACHE`, or else `obrl` in the user's cache directory."""
    if folder := os.environ.get("OBRL_CACHE"):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "obrl"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "obrl"


@dataclass(frozen=True)
class Recipe:
    """The sources and flags of a library.

    Attributes:
        name: of the library.
        units: its sources.
        flags: further flags for every source.
        links: arguments of the linker, besides `flags`.
        versions: of what it is compiled against, such as a framework. They are part of the library's name.
    """

    name: str
    units: Sequence[Unit]
    flags: Sequence[str] = ()
    links: Sequence[str] = ()
    versions: Sequence[str] = ()


def build(recipe: Recipe, *, sources: Path = SOURCES) -> Path:
    """The path of a library, which is compiled if it is not in the cache.

    Args:
        recipe: its sources and flags.
        sources: the folder of its units. The library depends on all files in it.

    Raises:
        BuildError: no compiler, one that fails, or a cache that cannot be used or that somebody else could write to.
    """
    with _errors_of_the_cache():
        return _build(recipe, sources)


def is_compiled(recipe: Recipe, *, sources: Path = SOURCES) -> bool:
    """Whether a library is in the cache, so that `build` would not compile it; creates no file or folder.

    Raises:
        BuildError: a system without native code, or a library that somebody else could write to.
    """
    with _errors_of_the_cache():
        return _is_whole(cache_directory() / "native" / _file_name(recipe, sources))


@contextmanager
def _errors_of_the_cache() -> Iterator[None]:
    if os.name != "posix":
        raise BuildError(f"the native code of obrl runs on Linux and macOS, got {sys.platform}")
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter where a user has no home
        raise BuildError(
            f"the native code of obrl cannot be stored: {error}; OBRL_CACHE in the environment may name another folder"
        ) from error


def _file_name(recipe: Recipe, sources: Path) -> str:
    processor = _processor()
    key = _hash(
        *(part for path in sorted(sources.iterdir()) if path.is_file() for part in (path.name, path.read_bytes())),
        *(repr((recipe, FLAGS)), sys.platform, platform.machine(), processor or "any", os.environ.get("CXX", "")),
    )
    return f"{recipe.name}-{key[:24]}.so"


def _build(recipe: Recipe, sources: Path) -> Path:
    library = _private(_private(cache_directory()) / "native") / _file_name(recipe, sources)
    if not _is_whole(library):
        with _locked(library.with_suffix(".lock")):
            if not _is_whole(library):
                _compile(library, recipe, sources, for_this_processor=_processor() is not None)
    return library


def find_compiler() -> list[str]:
    """The command of a C++ compiler, without files."""
    commands = [shlex.split(os.environ["CXX"])] if os.environ.get("CXX") else [[name] for name in COMPILERS]
    for program, *arguments in commands:
        if path := shutil.which(program):
            return [path, *arguments]
    raise BuildError(
        f"the native code of obrl needs a C++ compiler, and found none of: {', '.join(map(shlex.join, commands))}; "
        "install g++ (Debian and Ubuntu: apt install g++) or name another in the environment's CXX"
    )


def _compile(library: Path, recipe: Recipe, sources: Path, *, for_this_processor: bool) -> None:
    compiler = [*find_compiler(), *FLAGS]
    # Compiling may take half a minute; without a message the program seems to hang.
    _LOGGER.warning("compiling the native code of obrl for later runs too: %s", library)
    prefix = f".build-{library.stem}-"
    for leftover in library.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover)  # of a process that was killed, for only this process has the lock
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=prefix) as work:
        compiler += _native_flag(compiler) if for_this_processor else []
        objects = [Path(work) / f"{unit.name}.o" for unit in recipe.units]
        commands = [
            [*compiler, *unit.flags, *recipe.flags, "-c", str(sources / unit.name), "-o", str(target)]
            for unit, target in zip(recipe.units, objects, strict=True)
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands))
        built, digest = Path(work) / library.name, Path(work) / "digest"
        _run([*compiler, *recipe.flags, "-shared", *map(str, objects), *recipe.links, "-o", str(built)])
        digest.write_text(_hash(built.read_bytes()))
        # The digest first: without a library it does no harm. No other user may write to them, whatever the umask.
        for source, target in ((digest, _digest(library)), (built, library)):
            source.chmod(0o700)
            source.replace(target)


def _native_flag(compiler: Sequence[str]) -> list[str]:
    """The flag that lets the compiler use all instructions of this processor; compilers differ in its name."""
    for flag in ("-march=native", "-mcpu=native"):
        command = [*compiler, flag, "-x", "c++", "-fsyntax-only", "-"]
        if subprocess.run(command, input=b"", capture_output=True, check=False).returncode == 0:
            return [flag]
    return []


def _run(command: Sequence[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise BuildError(
            f"the native code of obrl was not compiled: the compiler ended with status {ended.returncode}; another may "
            f"be named in the environment's CXX. It was called as {shlex.join(command)}\n{ended.stderr}"
        )


@cache
def _processor() -> str | None:
    """What the system says of this processor's instructions; None if nothing, and code must run on any processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return "".join(line for line in dict.fromkeys(lines) if line.startswith(("flags", "Features", "model name")))


def _is_whole(library: Path) -> bool:
    """Whether a library exists and has exactly the bytes that the compiler wrote."""
    try:
        _check_private(library)
        return _digest(library).read_bytes() == _hash(library.read_bytes()).encode()
    except FileNotFoundError:
        return False


def _digest(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _private(folder: Path) -> Path:
    """A folder to which only this user may write; created if it does not exist."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(folder)
    return folder


def _check_private(path: Path) -> None:
    """Raise if another user could have written this file or folder."""
    status = path.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BuildError(
            f"{path} must belong to you and be writable by you alone, because obrl loads native code from it; got "
            f"owner {status.st_uid} and mode {stat.S_IMODE(status.st_mode):o}: run chmod go-w on it, or set OBRL_CACHE "
            "to another folder"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # which Windows lacks

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
