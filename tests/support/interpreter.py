"""Triton's interpreter, without the work that it repeats: several times as fast for kernels made of small functions."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Any

from tests.support.profiles import draws_many


def interpret() -> None:
    """Have the kernels interpreted on the CPU in this process.

    Raises:
        RuntimeError: they have been imported, for another purpose.
    """
    if "obrl_torch.kernels" in sys.modules and os.environ.get("TRITON_INTERPRET") != "1":
        raise RuntimeError("the kernels must not be imported before interpret() is called")
    os.environ["TRITON_INTERPRET"] = "1"
    _patch_once()
    if not draws_many():
        _leave_out_overflow_checks()


def _patch_once() -> None:
    """Put interpreted operations into Triton's language once a launch, not again in every function that a kernel calls.

    A launch puts them into `triton.language` and takes them out at its end. What a function called by a kernel puts
    there is there already; only Triton's own library, which has `triton.language.core` in its place, needs them
    there too, where they stay.
    """
    from triton import language
    from triton.runtime import interpreter

    seen: set[Any] = set()

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self not in seen:
            seen.add(self)
            if any(value is language.core for value in self.fn.__globals__.values()):
                interpreter._patch_lang(self.fn)
        return self.rewrite()(*args, **kwargs)

    interpreter.InterpretedFunction.__call__ = call


def _leave_out_overflow_checks() -> None:
    """Integers are computed as compiled kernels compute them, which by default do not check each sum for overflow."""
    from triton.runtime.interpreter import interpreter_builder

    interpreter_builder.options = replace(interpreter_builder.options, sanitize_overflow=False)
