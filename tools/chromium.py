"""Find Chromium, in which the tests open the report: `python -m tools.chromium` prints where it is."""

from __future__ import annotations

import os
import shutil
import sys

VARIABLE = "OBRL_CHROMIUM"
"""The environment variable that names another program than those of `NAMES`."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str:
    """The program to start.

    Raises:
        FileNotFoundError: the variable names no program, or none of `NAMES` is installed.
    """
    name = os.environ.get(VARIABLE)
    paths = (shutil.which(program) for program in ((name,) if name else NAMES))
    path = next((path for path in paths if path is not None), None)
    if path is None:
        expected = f"the program {name!r} that {VARIABLE} names" if name else f"one of the programs {', '.join(NAMES)}"
        raise FileNotFoundError(
            f"expected {expected}, found none: apt-get install chromium, or set {VARIABLE} to the path of a Chromium"
        )
    return path


def main() -> int:
    """Print the path, or what is missing."""
    try:
        print(chromium_path())
    except FileNotFoundError as error:
        print(f"the tests of the report need Chromium: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
