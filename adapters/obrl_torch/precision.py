"""A module whose buffers are never narrower than float32, because what they hold would lose its digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

FULL_PRECISION = (torch.float32, torch.float64)
"""The dtypes that such a buffer may have."""


class FullPrecisionModule(nn.Module):
    """A module whose buffers stay as they are under `.half()` and `.bfloat16()`, and are widened by `.double()`."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """As torch's, which `.to`, `.half` and the like call; a buffer never becomes narrower than float32."""
        before = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)
        for name, old in before.items():
            new: Tensor = getattr(self, name)
            if new.is_floating_point() and new.dtype not in FULL_PRECISION:  # take the device, keep the values
                empty = old.is_meta or new.is_meta
                setattr(self, name, torch.empty_like(new, dtype=old.dtype) if empty else old.to(new.device))
        return self
