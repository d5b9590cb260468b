"""`python -m tests.jax.sanitized`: every custom call under the sanitizers, as `tests/native/sanitized.py` has them."""

from __future__ import annotations

import sys
from functools import partial

from obrl_jax import native
from tests.jax.calls import exercise
from tests.native.sanitized import FLAGS


def main(arguments: list[str]) -> None:
    """Build with the sanitizers and further flags, and call everything."""
    native.recipe = partial(
        native.recipe, (*FLAGS, "-O0", *arguments)
    )  # the handlers are short, and their header is long
    print(f"{exercise()} calls")


if __name__ == "__main__":
    main(sys.argv[1:])
