"""Sums and figures of one epoch, which checkpoints store and processes add up."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchmetrics import Metric

from reference_model.stages.stage import Metrics, Outputs, Terms


class EpochFigures:
    """The means of a loss's parts and a stage's metrics over an epoch.

    Not a part of the module that is trained: weight averaging would exchange its buffers with those of the average.

    Args:
        metrics: The stage's metrics.
    """

    def __init__(self, metrics: nn.Module) -> None:
        self.module = metrics
        self.metrics: Metrics = metrics  # type: ignore[assignment]
        self._sums: dict[str, Tensor] = {}
        self._weight = 0.0
        for part in metrics.modules():
            if isinstance(part, Metric):
                part.persistent(True)

    def to(self, device: torch.device) -> None:
        """Move the metrics to a device."""
        self.module.to(device)
        self._sums = {name: total.to(device) for name, total in self._sums.items()}

    @torch.no_grad()
    def add(self, terms: Terms, outputs: Outputs, targets: Tensor, *, weight: float = 1.0) -> None:
        """Add a batch, with the weight that its loss has in the mean."""
        for name, value in terms._asdict().items():
            added = value.detach().double() * weight
            self._sums[name] = self._sums[name] + added if name in self._sums else added
        self._weight += weight
        self.metrics.update(outputs, targets)

    def close(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the epoch's means of the loss and its parts, and its metrics, over all processes; then start anew."""
        names = ["loss" if name == "total" else name for name in self._sums]
        sums = torch.stack([*self._sums.values(), next(iter(self._sums.values())).new_tensor(self._weight)])
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(sums)
            for buffer in self.module.buffers():
                dist.all_reduce(buffer)
        *totals, weight = sums.tolist()
        parts = {name: total / weight for name, total in zip(names, totals, strict=True)}
        metrics = self.metrics.compute()
        self.reset()
        return parts, metrics

    def reset(self) -> None:
        """Start anew."""
        self._sums = {}
        self._weight = 0.0
        self.metrics.reset()

    def state_dict(self) -> dict[str, Any]:
        """Return the state in the middle of an epoch: tensors and plain values, sums over all processes.

        Every process must call it. Parts from torchmetrics give the state of this process.
        """
        sums = {name: total.clone() for name, total in self._sums.items()}
        buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        weight = self._weight
        if sums and dist.is_available() and dist.is_initialized():
            counted = next(iter(sums.values())).new_tensor(weight)
            for part in (*sums.values(), *buffers.values(), counted):
                dist.all_reduce(part)
            weight = float(counted)
        return {"sums": sums, "weight": weight, "buffers": buffers, "metrics": self.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`: in the first process, since the others' sums are in it; there they start anew."""
        share = int(not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0)
        self._sums = {name: total * share for name, total in state["sums"].items()}
        self._weight = state["weight"] * share
        for name, buffer in self.module.named_buffers():
            buffer.copy_(state["buffers"][name] * share)
        self.module.load_state_dict(state["metrics"], strict=False)
