"""Blocks of rows on however few labels, which the frameworks take only where there are many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ELEMENTS = 8
"""Of a block: one to four rows of up to five labels, and none left or some."""

TORCH_SIZES = {"WHOLE_ELEMENTS": ELEMENTS, "MULTIPLIED_ELEMENTS": 16, "COMPARED_ELEMENTS": 6}
"""What torch has beside it: products go by larger blocks, of which pairs are compared in parts."""


@contextmanager
def few_rows(module: Any, **others: int) -> Iterator[None]:
    """Within it, what a framework computes or traces goes by such blocks; `module` is where it has their sizes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, elements in {"BLOCK_ELEMENTS": ELEMENTS, **others}.items():
            patch.setattr(module, name, elements)
        yield
