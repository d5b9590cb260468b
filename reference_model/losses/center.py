"""Softmax with center loss: Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition, 2016."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional


class CenterTerms(NamedTuple):
    """The loss of a batch and its parts, scalars.

    Attributes:
        total: ``cross_entropy + weight * center_loss``.
        cross_entropy: Wen et al.'s L_S divided by the batch.
        center_loss: Wen et al.'s L_C divided by the batch.
        uniform_loss: ln C, the cross-entropy of a net that has learnt nothing; what ``cross_entropy`` is read beside.
    """

    total: Tensor
    cross_entropy: Tensor
    center_loss: Tensor
    uniform_loss: Tensor


class CenterLoss(nn.Module):
    """Cross-entropy that pulls every embedding towards the centre of its class.

    For a batch of m embeddings x_i with classes y_i::

        L = L_S + lambda L_C                                        Eq. 5
        L_C = 1/2 sum_i ||x_i - c_(y_i)||^2                         Eq. 2
        dL_C / dx_i = x_i - c_(y_i)                                 Eq. 3
        delta_j = sum_i 1[y_i = j] (c_j - x_i) / (1 + n_j)          Eq. 4, n_j = sum_i 1[y_i = j]
        c_j <- c_j - alpha delta_j

    Wen et al. write L_S and L_C as sums over the batch. Here both are divided by the batch, so that lambda keeps its
    meaning and the learning rate does not depend on the batch's size.

    The centres are a buffer outside of the optimiser: no momentum, no weight decay, no learning rate but alpha. They
    start at zero. A loss reads the centres of before the step; `after_step` moves them, once a step of the optimiser,
    by all micro-batches of that step and all processes' rows. Between the two, this module holds the embeddings of the
    step: save its state after `after_step` only.

    Beside the centres, memory is O(batch x embedding).

    Args:
        num_classes: C.
        embedding: Length of an embedding.
        weight: lambda, 0 or more.
        rate: alpha, in [0, 1].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> loss = CenterLoss(3, 2, weight=0.1)
        >>> labels, embeddings = torch.tensor([0, 0, 2]), torch.tensor([[3.0, 0.0], [3.0, 6.0], [1.0, 1.0]])
        >>> float(loss.terms((torch.zeros(3, 3), embeddings), labels).center_loss)
        9.333333015441895
        >>> loss.after_step()
        >>> loss.centers
        tensor([[1.0000, 1.0000],
                [0.0000, 0.0000],
                [0.2500, 0.2500]])
    """

    centers: Tensor  # (C, embedding) float32
    movement: Tensor  # (2,) float32: the sum over steps of the centres' movement, and the number of steps

    def __init__(self, num_classes: int, embedding: int, *, weight: float = 0.003, rate: float = 0.5) -> None:
        super().__init__()
        if num_classes < 2 or embedding < 1:
            raise ValueError(f"there must be 2 classes or more and 1 number or more, got {num_classes} and {embedding}")
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight must be 0 or more, got {weight}")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be in [0, 1], got {rate}")
        self.weight = weight
        self.rate = rate
        self.register_buffer("centers", torch.zeros(num_classes, embedding))
        self.register_buffer("movement", torch.zeros(2))
        self._step: list[tuple[Tensor, Tensor]] = []

    def terms(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> CenterTerms:
        """Return the loss of a batch and its parts.

        In training mode and with gradients, the batch also counts for the next `after_step`.

        Args:
            outputs: Logits (batch, C) and embeddings (batch, embedding).
            targets: (batch,) int64 classes; rows with -1 count nowhere.

        Returns:
            The parts in float32 or wider.
        """
        logits, embeddings = outputs
        with torch.autocast(logits.device.type, enabled=False):
            embeddings = embeddings.to(self.centers.dtype)
            present = targets >= 0
            number = present.sum().clamp(min=1)
            entropy = functional.cross_entropy(logits.float(), targets, ignore_index=-1, reduction="sum") / number
            # Eq. 2; index_select copies the old centres, so that after_step may write into the buffer.
            distance = embeddings - self.centers.index_select(0, targets.clamp(min=0))
            center = 0.5 * (distance.square().sum(dim=1) * present).sum() / number
            total = entropy + self.weight * center
        if self.training and torch.is_grad_enabled():
            self._step.append((targets.detach(), embeddings.detach()))
        return CenterTerms(
            total, entropy.detach(), center.detach(), entropy.new_tensor(math.log(len(self.centers))).detach()
        )

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the centres by what the loss saw since the last call; Eq. 4. Every process must call it."""
        empty = (self.centers.new_zeros(0, dtype=torch.int64), self.centers.new_zeros(0, self.centers.shape[1]))
        parts = self._step or [empty]
        labels, embeddings = gather_rows(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))
        self._step = []
        present = labels >= 0
        classes = labels.clamp(min=0)
        ordered = labels.sort().values
        count = torch.searchsorted(ordered, labels, right=True) - torch.searchsorted(ordered, labels)  # n_j by row
        before = self.centers.index_select(0, classes)
        share = (before - embeddings) / (1 + count).unsqueeze(1) * present.unsqueeze(1)
        self.centers.index_add_(0, classes, share, alpha=-self.rate)
        # Every class counts once: its rows share it.
        once = present / count
        moved = (self.centers.index_select(0, classes) - before).square().sum(dim=1)
        self.movement += torch.stack([((moved * once).sum() / once.sum().clamp(min=1)).sqrt(), moved.new_ones(())])

    def epoch_figures(self) -> dict[str, float]:
        """Return how far centres moved a step, since the last call; warn if none moved although ``rate`` is above 0.

        Returns:
            ``center_movement``: the root mean square over the classes of a step, averaged over the steps; NaN without
            a step.
        """
        total, steps = self.movement.tolist()
        self.movement.zero_()
        if total == 0 and self.rate > 0:
            warnings.warn(
                "no centre of the center loss moved in this epoch, so it only pulls embeddings to where the centres "
                "were: call after_step() after every step of the optimiser",
                stacklevel=2,
            )
        return {"center_movement": total / steps if steps else float("nan")}


def gather_rows(labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows of all processes, in the order of their ranks; without torch.distributed, what came.

    Args:
        labels: (batch,) int64; the number of rows may differ between processes.
        rows: (batch, width).
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return labels, rows
    size = labels.new_tensor([len(labels)])
    sizes = [torch.empty_like(size) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, size)
    lengths = [int(size) for size in sizes]
    longest = max(lengths)
    if longest == 0:
        return labels, rows

    def gather(part: Tensor) -> Tensor:
        padded = part.new_zeros((longest, *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(parts, padded)
        return torch.cat([gathered[:length] for gathered, length in zip(parts, lengths, strict=True)])

    return gather(labels), gather(rows)
