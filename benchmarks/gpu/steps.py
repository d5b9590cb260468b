"""One training step in PyTorch on a device, for each loss that is compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import AsymmetricLoss, PlainOBRLoss
from benchmarks.registry import IMPLEMENTATIONS, Batch
from obrl.torch import OBRLoss

PLAIN_SHARE = 0.25
"""The fraction of the device's memory that the plain formula's arrays may take; else it splits the batch."""

MOST_ELEMENTS = 2**31 - 1
"""The plain formula's arrays have at most so many elements: kernels then index them with 32 bits, which is faster."""

Gradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""A step: takes logits and targets, returns the loss and its gradient with respect to the logits."""


@dataclass(frozen=True)
class Entry:
    """A way to compute the loss.

    Attributes:
        title: the name in tables.
        make: takes num_labels and returns the criterion.
        compiled: whether torch compiles it.
        plain: the entry of `benchmarks.registry.IMPLEMENTATIONS` that knows the size of its arrays, or None.
    """

    title: str
    make: Callable[[int], nn.Module]
    compiled: bool = False
    plain: str | None = None


class OperatorsLoss(OBRLoss):
    """The loss in torch's own operators, as `impl="auto"` computes it where it does not choose the kernels."""

    def _is_fused(self, batch: Any, state: Any, *, joint: bool) -> bool:
        return False


def _entry(name: str, make: Callable[[int], nn.Module]) -> Entry:
    known = IMPLEMENTATIONS[name]
    return Entry(known.title, make, known.compiled, name if known.cubes else None)


ENTRIES = {
    "torch_bce": _entry("torch_bce", lambda num_labels: nn.BCEWithLogitsLoss()),
    "torch_asl": _entry("torch_asl", lambda num_labels: AsymmetricLoss()),
    "torch_obrl_fused": _entry("torch_obrl_fused", lambda num_labels: OBRLoss(num_labels, impl="fused")),
    "torch_obrl": _entry("torch_obrl", OperatorsLoss),
    "torch_obrl_compiled": _entry("torch_obrl_compiled", OperatorsLoss),
    "torch_plain_compiled": _entry("torch_plain_compiled", PlainOBRLoss),
    "torch_plain": _entry("torch_plain", PlainOBRLoss),
}
"""In the order they are measured in."""


def block_rows(plain: str, batch: int, num_labels: int, memory: int) -> int:
    """How many samples the plain formula takes at once: all, or the half, a quarter, ... that fits.

    Args:
        plain: an entry of `benchmarks.registry.IMPLEMENTATIONS` with arrays of size K M^2.
        batch: K.
        num_labels: M.
        memory: of the device, in bytes.
    """

    def fits(rows: int) -> bool:
        needed = IMPLEMENTATIONS[plain].needs(rows, num_labels)
        return needed <= PLAIN_SHARE * memory and rows * num_labels**2 <= MOST_ELEMENTS

    rows = batch
    while rows > 1 and not fits(rows):
        rows = (rows + 1) // 2
    return rows


def whole(call: Callable[[Tensor, Tensor], Tensor]) -> Gradient:
    """A step of a loss on the whole batch at once."""

    def step(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss = call(logits, targets)
        (gradient,) = torch.autograd.grad(loss, logits)
        return loss.detach(), gradient

    return step


def in_blocks(
    criterion: PlainOBRLoss, rows: int, compiler: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Gradient:
    """A step of the plain formula that takes `rows` samples at a time, forward and backward, before the next ones.

    The loss is the mean of the parts' losses, weighted by their samples. The relation moves once, from the whole batch.
    """
    update, under = compiler(criterion.update), compiler(criterion.under)

    def step(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        update(targets)
        relation = criterion.relation
        values, gradients = [], []
        for x, y in zip(logits.detach().split(rows), targets.split(rows), strict=True):
            x.requires_grad_()
            loss = under(relation, x, y) * (len(x) / len(logits))
            gradients += torch.autograd.grad(loss, x)
            values.append(loss.detach())
        return torch.stack(values).sum(), torch.cat(gradients)

    return step


class TorchStep:
    """A step of one implementation on a device, on one of several batches.

    Args:
        name: a key of `ENTRIES`.
        batch: K.
        num_labels: M.
        device: `"cuda"`, or `"cpu"`, where compilers only trace.
        memory: of the device, in bytes.
    """

    def __init__(self, name: str, batch: int, num_labels: int, *, device: str, memory: int) -> None:
        entry = ENTRIES[name]
        backend = "inductor" if device == "cuda" else "aot_eager"

        def compiler(call: Callable[..., Any]) -> Callable[..., Any]:
            return torch.compile(call, fullgraph=True, dynamic=False, backend=backend) if entry.compiled else call

        self.device = device
        self.criterion = entry.make(num_labels).to(device)
        self.rows = block_rows(entry.plain, batch, num_labels, memory) if entry.plain else batch
        if self.rows < batch and isinstance(self.criterion, PlainOBRLoss):
            self._gradient = in_blocks(self.criterion, self.rows, compiler)
        else:
            self._gradient = whole(compiler(self.criterion))
        self._batches: list[tuple[Tensor, Tensor]] = []

    def load(self, batches: Sequence[Batch]) -> None:
        """Take these batches and start from an empty relation."""
        for buffer in self.criterion.buffers():
            buffer.zero_()
        self._batches = [
            (
                torch.from_numpy(batch.logits).to(self.device).requires_grad_(),
                torch.from_numpy(batch.targets).to(self.device),
            )
            for batch in batches
        ]

    def __call__(self, index: int) -> tuple[Tensor, Tensor]:
        """Run one step on batch `index`: the loss and its gradient."""
        return self._gradient(*self._batches[index])
