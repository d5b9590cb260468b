"""A compiler that logs its commands."""

from __future__ import annotations

import os
from pathlib import Path

from obrl_native.build import find_compiler

_PROGRAM = """#!/bin/sh
echo "$@" >> {log}
exec {compiler} "$@" {flags}
"""

# Compiles each source once and copies the object file afterwards.
_CACHING = """#!/bin/bash
echo "$@" >> {log}
case " $* " in *" -c "*) ;; *) exec {compiler} "$@" {flags} ;; esac
object={folder}/cached-$(basename "${{!#}}")
[ -e "$object" ] || {compiler} "$@" {flags} -o "$object" || exit
cp "$object" "${{!#}}"
"""


class LoggedCompiler:
    """The machine's compiler, for the environment's `CXX`.

    Args:
        folder: where it may write.
        flags: to add at the end of each command.
        keeps: whether to compile each source once and to copy its object file afterwards, which is faster.
    """

    def __init__(self, folder: Path, *, flags: str = "", keeps: bool = False) -> None:
        self._log, self.path = folder / "compiler.log", folder / "compiler"
        self._log.touch()
        program = _CACHING if keeps else _PROGRAM
        (compiler,) = find_compiler()
        self.path.write_text(program.format(log=self._log, compiler=compiler, flags=flags, folder=folder))
        self.path.chmod(0o755)

    def environment(self, cache: Path) -> dict[str, str]:
        """That of a process that builds with it into this cache."""
        return {**os.environ, "CXX": str(self.path), "OBRL_CACHE": str(cache)}

    def links(self) -> int:
        """How many libraries it has linked."""
        return sum("-shared" in line for line in self._log.read_text().splitlines())
