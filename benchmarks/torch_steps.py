"""One training step in PyTorch, for each loss that is compared."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import obrl
from benchmarks.peers import AsymmetricLoss, PlainOBRLoss
from benchmarks.registry import Batch
from obrl.torch import OBRLoss


class TorchStep:
    """`criterion(logits, targets).backward()` with the logits a leaf, whose gradient is new in every step."""

    def __init__(self, criterion: nn.Module, *, compiled: bool, threads: int) -> None:
        torch.set_num_threads(threads)
        self._criterion = criterion
        self._call: Callable[[Tensor, Tensor], Tensor] = (
            torch.compile(criterion, fullgraph=True, dynamic=False) if compiled else criterion
        )
        self._start = copy.deepcopy(criterion.state_dict())
        self._batches: list[tuple[Tensor, Tensor]] = []

    def load(self, batches: Sequence[Batch]) -> None:
        """Take these batches and start from an empty relation."""
        self._criterion.load_state_dict(self._start)
        self._batches = [
            (torch.from_numpy(batch.logits).requires_grad_(), torch.from_numpy(batch.targets)) for batch in batches
        ]

    def step(self, index: int) -> None:
        """Run one step on batch `index`."""
        logits, targets = self._batches[index]
        logits.grad = None
        self._call(logits, targets).backward()

    def release(self) -> None:
        """Drop the gradients."""
        for logits, _ in self._batches:
            logits.grad = None

    def relation(self) -> NDArray[np.float64] | None:
        """The relation of the criterion, None for cross-entropy alone."""
        relation = getattr(self._criterion, "relation", None)
        return None if relation is None else relation.detach().double().numpy()

    def versions(self) -> dict[str, str]:
        """Versions of Python, NumPy, torch and obrl."""
        return {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "obrl": obrl.__version__,
        }


def bce(num_labels: int, *, compiled: bool, threads: int) -> TorchStep:
    """Binary cross-entropy alone; `num_labels` is not needed."""
    return TorchStep(nn.BCEWithLogitsLoss(), compiled=compiled, threads=threads)


def asymmetric(num_labels: int, *, compiled: bool, threads: int) -> TorchStep:
    """The asymmetric loss; `num_labels` is not needed."""
    return TorchStep(AsymmetricLoss(), compiled=compiled, threads=threads)


def obrl_loss(num_labels: int, *, compiled: bool, threads: int) -> TorchStep:
    """`obrl.torch.OBRLoss` with its defaults."""
    return TorchStep(OBRLoss(num_labels), compiled=compiled, threads=threads)


def obrl_fused(num_labels: int, *, compiled: bool, threads: int) -> TorchStep:
    """`obrl.torch.OBRLoss` in native code."""
    return TorchStep(OBRLoss(num_labels, impl="fused"), compiled=compiled, threads=threads)


def plain(num_labels: int, *, compiled: bool, threads: int) -> TorchStep:
    """The paper's formula written plainly."""
    return TorchStep(PlainOBRLoss(num_labels), compiled=compiled, threads=threads)
