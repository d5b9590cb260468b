"""`python -m tests.jax.sanitized`: every custom call under the sanitizers, as `tests/native/sanitized.py` has them."""

from __future__ import annotations

from functools import partial

from obrl_jax import native
from tests.jax.calls import exercise
from tests.native.sanitized import FLAGS


def main() -> None:
    """Build with the sanitizers, and call everything."""
    native.recipe = partial(native.recipe, (*FLAGS, "-O0"))  # the handlers are short, and their header is long
    print(f"{exercise()} calls")


if __name__ == "__main__":
    main()
