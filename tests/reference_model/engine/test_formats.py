"""The comparison of an exported file with torch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from reference_model.engine import formats

NET: Any = SimpleNamespace(model=None, config=SimpleNamespace(images=SimpleNamespace(size=16)))


@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2e-5])
def test_what_differs_in_any_output_is_refused(output: int, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def expected(model: object, pixels: Tensor) -> list[Tensor]:
        return [torch.zeros(len(pixels), 3), torch.zeros(len(pixels), 2)]

    def spoiled(pixels: Tensor) -> list[Tensor]:
        outputs = expected(None, pixels)
        outputs[output][-1, 1] = value
        return outputs

    monkeypatch.setattr(formats, "torch_outputs", expected)
    same = formats._compare(lambda pixels: expected(None, pixels), NET)
    assert all(difference.within(0.0) for difference in same)
    spoilt = formats._compare(spoiled, NET)
    assert not any(difference.within(formats.TOLERANCE) for difference in spoilt)
