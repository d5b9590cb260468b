"""From C++ sources to a library that may be loaded: compiled once, kept in the user's cache, checked before each use.

A library is named after a hash of what it depends on: its sources, the flags, and the processor that it is made for. It
is written under another name and renamed, by one process at a time, with the hash of its own bytes beside it: what was
cut short or changed is built again, never loaded. Linux and macOS.
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
"""For every source; signed zeros, infinities and NaN stay as they are."""

_LOGGER = logging.getLogger("obrl")

COMPILERS = ("g++", "c++", "clang++")
"""What is looked for where the environment names no `CXX`."""


class BuildError(ImportError):
    """The library cannot be built or kept here; the message says what is missing."""

    # In a `tf.function`, AutoGraph raises an error anew with a longer message; to others it gives a type of its own.
    __init__ = Exception.__init__


@dataclass(frozen=True)
class Unit:
    """A source file and the flags that it has for itself."""

    name: str
    flags: tuple[str, ...] = ()


def cache_directory() -> Path:
    """Where libraries are kept: `OBRL_CACHE`, or else `obrl` in the user's cache directory."""
    if chosen := os.environ.get("OBRL_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "obrl"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "obrl"


@dataclass(frozen=True)
class Recipe:
    """What a library is made of.

    Attributes:
        name: of the library.
        units: its sources.
        flags: further ones, for every source.
        links: what the linker is told, beside `flags`.
        versions: of what it is compiled against, a framework say: with other ones it is another library.
    """

    name: str
    units: Sequence[Unit]
    flags: Sequence[str] = ()
    links: Sequence[str] = ()
    versions: Sequence[str] = ()


def build(recipe: Recipe, *, sources: Path = SOURCES) -> Path:
    """The path of a library that may be loaded now; compiles it where there is none.

    Args:
        recipe: what it is made of.
        sources: the folder of its units; all its files count as what the library depends on.

    Raises:
        BuildError: no compiler, one that fails, or a cache that cannot be used or that somebody else could write to.
    """
    if os.name != "posix":
        raise BuildError(f"the native code of obrl runs on Linux and macOS, got {sys.platform}")
    try:
        return _build(recipe, sources)
    except (OSError, RuntimeError) as error:  # the latter where a user has no home
        raise BuildError(
            f"the native code of obrl cannot be kept: {error}; OBRL_CACHE in the environment may name another folder"
        ) from error


def _build(recipe: Recipe, sources: Path) -> Path:
    processor = _processor()
    key = _hash(
        *(part for path in sorted(sources.iterdir()) if path.is_file() for part in (path.name, path.read_bytes())),
        *(repr((recipe, FLAGS)), sys.platform, platform.machine(), processor or "any", os.environ.get("CXX", "")),
    )
    folder = _private(_private(cache_directory()) / "native")
    library = folder / f"{recipe.name}-{key[:24]}.so"
    if not _is_whole(library):
        with _locked(library.with_suffix(".lock")):
            if not _is_whole(library):
                _compile(library, recipe, sources, for_this_processor=processor is not None)
    return library


def find_compiler() -> list[str]:
    """A C++ compiler, as the beginning of a command."""
    wanted = [shlex.split(os.environ["CXX"])] if os.environ.get("CXX") else [[name] for name in COMPILERS]
    for program, *arguments in wanted:
        if found := shutil.which(program):
            return [found, *arguments]
    raise BuildError(
        f"the native code of obrl needs a C++ compiler, and found none of: {', '.join(map(shlex.join, wanted))}; "
        "install g++ (Debian and Ubuntu: apt install g++) or name another in the environment's CXX"
    )


def _compile(library: Path, recipe: Recipe, sources: Path, *, for_this_processor: bool) -> None:
    compiler = [*find_compiler(), *FLAGS]
    # Of half a minute without a word one would think that the program hangs.
    _LOGGER.warning("compiling the native code of obrl for later runs too: %s", library)
    prefix = f".build-{library.stem}-"
    for left in library.parent.glob(f"{prefix}*"):
        shutil.rmtree(left)  # of a process that was killed: this one has the lock
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=prefix) as work:
        compiler += _native_flag(compiler) if for_this_processor else []
        objects = [Path(work) / f"{unit.name}.o" for unit in recipe.units]
        commands = [
            [*compiler, *unit.flags, *recipe.flags, "-c", str(sources / unit.name), "-o", str(made)]
            for unit, made in zip(recipe.units, objects, strict=True)
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands))
        built, digest = Path(work) / library.name, Path(work) / "digest"
        _run([*compiler, *recipe.flags, "-shared", *map(str, objects), *recipe.links, "-o", str(built)])
        digest.write_text(_hash(built.read_bytes()))
        # The digest goes first: without its library it means nothing. Others may write to neither, whatever the umask.
        for made, place in ((digest, _digest(library)), (built, library)):
            made.chmod(0o700)
            made.replace(place)


def _native_flag(compiler: Sequence[str]) -> list[str]:
    """What makes a compiler use all instructions of this processor; compilers differ in how they are told."""
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
    """The instructions that this processor has; None where the system does not say, and code must run on any."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return "".join(line for line in dict.fromkeys(lines) if line.startswith(("flags", "Features", "model name")))


def _is_whole(library: Path) -> bool:
    """Whether a library is there and is, to the byte, what the compiler wrote."""
    try:
        _check_private(library)
        return _digest(library).read_bytes() == _hash(library.read_bytes()).encode()
    except FileNotFoundError:
        return False


def _digest(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _private(folder: Path) -> Path:
    """A folder of this user alone, made where it is not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(folder)
    return folder


def _check_private(path: Path) -> None:
    """Raise where another user could have put or changed what is there."""
    status = path.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BuildError(
            f"the native code of obrl is loaded from folders and files that their user alone may write to, and {path} "
            f"belongs to user {status.st_uid} with mode {stat.S_IMODE(status.st_mode):o}; chmod go-w it, or name "
            "another folder in the environment's OBRL_CACHE"
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
