"""Triton's interpreter without its repeated set-up: several times as fast for kernels that call small functions."""

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
    """Patch Triton's language once a launch, not again in every function that a kernel calls.

    A launch already patches `triton.language`, so a function that a kernel calls needs no patch of its own. Triton's
    own functions refer to `triton.language.core`: they are patched at their first call and stay patched.
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
    """Leave out the check of each integer sum for overflow, as compiled kernels do by default."""
    from triton.runtime.interpreter import interpreter_builder

    interpreter_builder.options = replace(interpreter_builder.options, sanitize_overflow=False)
