"""What `obrl env` says of native code: the compiler, the cache, and whether a library is compiled."""

from __future__ import annotations

import json
import shlex
import subprocess

from obrl_native.build import BuildError, Recipe, cache_directory, find_compiler, is_compiled


def native_code(recipe: Recipe) -> str:
    """What a call that needs a library would do here: load it, compile it, or raise."""
    try:
        if is_compiled(recipe):
            return "native code, compiled already"
        find_compiler()
    except BuildError as error:
        return f"raises: {error}"
    return "native code, which the first call compiles"


def facts() -> dict[str, str]:
    """The compiler with its version, and the folder of compiled libraries with what it holds.

    Example:
        >>> sorted(facts())
        ['C++ compiler', 'cache']
    """
    return {"C++ compiler": _compiler(), "cache": _cache()}


def _compiler() -> str:
    try:
        command = find_compiler()
        ended = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=30)
    except (BuildError, OSError, subprocess.TimeoutExpired) as error:
        return f"none that works: {error}"
    first = (ended.stdout or ended.stderr).partition("\n")[0].strip()
    return f"{shlex.join(command)}: {first or f'no version, exit status {ended.returncode}'}"


def _cache() -> str:
    try:
        folder = cache_directory()
        libraries = sum(path.suffix == ".so" for path in (folder / "native").iterdir())
    except FileNotFoundError:
        return f"{folder}: nothing compiled yet"
    except (OSError, RuntimeError) as error:  # the latter where a user has no home
        return f"cannot be used: {error}"
    return f"{folder}: {libraries} compiled {'library' if libraries == 1 else 'libraries'}"


if __name__ == "__main__":
    print(json.dumps(facts()))
