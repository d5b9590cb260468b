"""`python -m tests.native.sanitized`: every function under the compiler's sanitizers, which stop at an error.

The address sanitizer must be loaded before anything else: see `tests/native/test_sanitizers.py`.
"""

from __future__ import annotations

import sys

from obrl_native import cpu
from obrl_native.build import Recipe, build
from tests.native.calls import exercise

FLAGS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-g",
    "-O1",
    "-DOBRL_OPERATIONS_PER_THREAD=1",
    "-Wall",
    "-Wextra",
    "-Werror",
)


def main(arguments: list[str]) -> None:
    """Compile with the sanitizers and further flags, and call everything."""
    library = cpu.Library(str(build(Recipe("obrl_cpu_sanitized", cpu.UNITS, flags=(*FLAGS, *arguments)))))
    print(f"{exercise(library)} calls")


if __name__ == "__main__":
    main(sys.argv[1:])
