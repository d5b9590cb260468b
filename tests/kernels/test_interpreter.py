"""The interpreter of the tests computes the same as Triton's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import torch
from obrl.torch import OBRLoss
generator = torch.Generator().manual_seed(0)
targets = torch.randint(2, (9, 5), generator=generator).float()
targets[2, 1] = torch.nan
logits = torch.randn(9, 5, generator=generator).requires_grad_()
criterion = OBRLoss(5, positive_threshold=0.6, negative_threshold=0.4, impl="fused")
criterion(logits, targets).backward()
results = [logits.grad, criterion.relation_sum, criterion.relation_weight]
"""


@pytest.mark.slow  # finds nothing that no other test does unless Triton changes its interpreter
def test_results_are_those_of_tritons_own_interpreter() -> None:
    here: dict[str, list[object]] = {}
    exec(PROGRAM, here)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + "print([part.tolist() for part in results])"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str([part.tolist() for part in here["results"]])  # type: ignore[attr-defined]
