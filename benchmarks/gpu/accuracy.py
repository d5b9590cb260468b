"""The error of the kernels' loss, gradient and relation against torch's operators in float64, on the same device."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.steps import OperatorsLoss
from benchmarks.registry import Batch
from obrl.torch import OBRLoss

HOW = (
    "The kernels in float32 take a step on each batch, and so do torch's own operators in float64, each with its "
    "relation. relation_error is the largest difference of the two relations. Then both compute loss and gradient on "
    "the last batch with the kernels' relation: loss_error is relative to the loss, gradient_error to the largest "
    "gradient. The errors of those operators in float32 have the prefix auto_. pairs_near_thresholds counts the "
    "ordered pairs within 1e-6 of a threshold, which rounding may put on either side."
)
NEAR = 1e-6

MOST = 1e-4
"""An error of the kernels above this fails the run: it is far beyond float32's rounding."""


def _step(criterion: OBRLoss, logits: Tensor, targets: Tensor, *, update: bool) -> tuple[Tensor, Tensor]:
    x = logits.detach().to(criterion.relation_sum.dtype).requires_grad_()
    loss = criterion(x, targets, update=update)
    (gradient,) = torch.autograd.grad(loss, x)
    return loss.detach().double(), gradient.double()


def _error(value: Tensor, exact: Tensor) -> float:
    return float((value - exact).abs().max() / exact.abs().max())


def accuracy(batches: Sequence[Batch], *, device: str) -> dict[str, Any]:
    """The errors on some batches; see `HOW`."""
    tensors = [
        tuple(torch.from_numpy(array).to(device) for array in (batch.logits, batch.targets)) for batch in batches
    ]
    num_labels = batches[0].logits.shape[1]
    fused = OBRLoss(num_labels, impl="fused").to(device)
    exact = OperatorsLoss(num_labels).to(device).double()
    for logits, targets in tensors:
        _step(fused, logits, targets, update=True)
        _step(exact, logits, targets, update=True)
    relation, fused_relation = exact.relation, fused.relation.double()
    difference = (fused_relation - relation).abs().masked_fill(fused_relation.isnan() & relation.isnan(), 0.0)
    relation_error = float(difference.nan_to_num(nan=1.0).max())  # 1, the whole scale, where only one has evidence
    thresholds = (exact.settings.positive_threshold, exact.settings.negative_threshold)
    near = sum(int(((relation - threshold).abs() < NEAR).sum()) for threshold in thresholds)
    del relation, fused_relation, difference
    logits, targets = tensors[-1]
    exact.load_state_dict(fused.state_dict())
    expected = _step(exact, logits, targets, update=False)
    del exact
    single = OperatorsLoss(num_labels).to(device)
    single.load_state_dict(fused.state_dict())
    results = {prefix: _step(loss, logits, targets, update=False) for prefix, loss in (("", fused), ("auto_", single))}
    errors = {"relation_error": relation_error} | {
        f"{prefix}{name}_error": _error(value, expected_value)
        for prefix, result in results.items()
        for name, value, expected_value in zip(("loss", "gradient"), result, expected, strict=True)
    }
    if not all(map(isfinite, errors.values())):
        raise ArithmeticError(f"an error of the kernels is not finite: {errors}")
    return {**errors, "pairs_near_thresholds": near}
