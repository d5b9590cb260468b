"""How far the kernels' loss, gradient and relation are from torch's own operators in float64, on the same device."""

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
    "The kernels in float32 take a step on each batch, as do torch's own operators in float64, by themselves. "
    "relation_error is the largest difference of the two relations. Then both give loss and gradient on the last batch "
    "under the kernels' relation: loss_error is relative to the loss, gradient_error to the largest gradient; the same "
    "of those operators in float32 stands beside them, as auto_. pairs_near_thresholds counts the ordered pairs within "
    "1e-6 of a threshold, which rounding may put on either side."
)
NEAR = 1e-6

MOST = 1e-4
"""An error of the kernels above this fails the run: far more than float32's rounding, so that something is wrong."""


def _step(criterion: OBRLoss, logits: Tensor, targets: Tensor, *, update: bool) -> tuple[Tensor, Tensor]:
    x = logits.detach().to(criterion.relation_sum.dtype).requires_grad_()
    loss = criterion(x, targets, update=update)
    (gradient,) = torch.autograd.grad(loss, x)
    return loss.detach().double(), gradient.double()


def _error(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).abs().max() / exact.abs().max())


def accuracy(batches: Sequence[Batch], *, device: str) -> dict[str, Any]:
    """The errors on some batches; see `HOW`."""
    given = [tuple(torch.from_numpy(array).to(device) for array in (batch.logits, batch.targets)) for batch in batches]
    num_labels = batches[0].logits.shape[1]
    fused = OBRLoss(num_labels, impl="fused").to(device)
    exact = OperatorsLoss(num_labels).to(device).double()
    for logits, targets in given:
        _step(fused, logits, targets, update=True)
        _step(exact, logits, targets, update=True)
    relation = exact.relation
    found_relation = fused.relation.double()
    apart = (found_relation - relation).abs().masked_fill(found_relation.isnan() & relation.isnan(), 0.0)
    relation_error = float(apart.nan_to_num(nan=1.0).max())  # 1, the whole scale, where only one has evidence
    thresholds = (exact.settings.positive_threshold, exact.settings.negative_threshold)
    near = sum(int(((relation - threshold).abs() < NEAR).sum()) for threshold in thresholds)
    del relation, found_relation, apart
    logits, targets = given[-1]
    exact.load_state_dict(fused.state_dict())
    expected = _step(exact, logits, targets, update=False)
    del exact
    single = OperatorsLoss(num_labels).to(device)
    single.load_state_dict(fused.state_dict())
    found = {name: _step(one, logits, targets, update=False) for name, one in (("", fused), ("auto_", single))}
    errors = {
        f"{prefix}{what}_error": _error(have, want)
        for prefix, pair in found.items()
        for what, have, want in zip(("loss", "gradient"), pair, expected, strict=True)
    }
    found_errors = {"relation_error": relation_error, **errors}
    if not all(map(isfinite, found_errors.values())):
        raise ArithmeticError(f"what the kernels gave is not finite: {found_errors}")
    return {**found_errors, "pairs_near_thresholds": near}
