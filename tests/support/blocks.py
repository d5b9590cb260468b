"""Blocks of rows on however few labels, which the frameworks take only where there are many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ELEMENTS = 8
"""Of a block: one to four rows of up to five labels, and none left or some."""


@contextmanager
def few_rows(module: Any) -> Iterator[None]:
    """Within it, what a framework computes or traces goes by such blocks; `module` is where it has their size."""
    with pytest.MonkeyPatch.context() as patch:
        for name in {"BLOCK_ELEMENTS", "MULTIPLIED_ELEMENTS", "WHOLE_ELEMENTS"} & vars(module).keys():
            patch.setattr(module, name, ELEMENTS)
        yield
