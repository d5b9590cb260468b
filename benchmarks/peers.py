"""The losses that obrl is compared with: the paper's formula written plainly, and the asymmetric loss.

Tests and benchmarks import their baseline from here. The plain formula is what a reader of the paper writes first: a
(batch, num_labels, num_labels) tensor of differences, a Pearson correlation of the batch's targets and the scalar
weight S of Eq. 1. It does not handle missing labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def batch_unit_pearson(targets: Tensor) -> Tensor:
    """R_b: (1 + phi) / 2 between the columns of `targets` (batch, num_labels), as (num_labels, num_labels).

    Where a column is constant, phi is undefined; here it counts as 0, so the pair is unrelated in this batch.
    """
    centred = targets - targets.mean(0)
    covariance = centred.T @ centred
    deviation = covariance.diagonal().sqrt()
    return (1 + torch.nan_to_num(covariance / (deviation[:, None] * deviation), nan=0.0)) / 2


def plain_relation_loss(
    logits: Tensor, relation: Tensor, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2
) -> Tensor:
    """L_B of Eq. 2, with the pairs i = j left out, through a (batch, num_labels, num_labels) tensor.

    Args:
        logits: x, (batch, num_labels).
        relation: R_g, (num_labels, num_labels).
        positive_threshold: r_p of Eq. 3.
        negative_threshold: r_n of Eq. 3.
    """
    batch, num_labels = logits.shape
    probabilities = torch.sigmoid(logits)
    different = ~torch.eye(num_labels, dtype=torch.bool, device=logits.device)
    positive = ((relation >= positive_threshold) & different).to(logits.dtype)  # f_p, Eq. 3
    negative = ((relation <= negative_threshold) & different).to(logits.dtype)  # f_n, Eq. 3
    squared = (probabilities[:, :, None] - probabilities[:, None, :]) ** 2
    pairs = positive * squared + negative * (1 - squared) ** 2
    return pairs.sum() / (2 * batch * num_labels**2)


class PlainOBRLoss(nn.Module):
    """L = L_E + alpha L_B, written plainly.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1.
        alpha: weight of L_B.
    """

    relation_sum: Tensor
    relation_weight: Tensor

    def __init__(self, num_labels: int, *, decay: float = 0.99, alpha: float = 0.5) -> None:
        super().__init__()
        self.decay = decay
        self.alpha = alpha
        self.register_buffer("relation_sum", torch.zeros(num_labels, num_labels))
        self.register_buffer("relation_weight", torch.zeros(()))

    @property
    def relation(self) -> Tensor:
        """R_g = R_sb / S."""
        return self.relation_sum / self.relation_weight

    @torch.no_grad()
    def update(self, targets: Tensor) -> None:
        """Eq. 1."""
        self.relation_sum.mul_(self.decay).add_(batch_unit_pearson(targets))
        self.relation_weight.mul_(self.decay).add_(1)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Update the relation from the targets, then return the loss."""
        self.update(targets)
        return self.under(self.relation, logits, targets)

    def under(self, relation: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss under a relation that does not move."""
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        return cross_entropy / logits.shape[0] + self.alpha * plain_relation_loss(logits, relation)


class AsymmetricLoss(nn.Module):
    """The asymmetric loss, a common choice for multi-label models.

        L = -1/K sum_k sum_m [ y (1 - p)^gamma_+ log p + (1 - y) p_m^gamma_- log(1 - p_m) ],  p_m = max(p - m, 0)

    Args:
        positive_focus: gamma_+.
        negative_focus: gamma_-.
        margin: m, by which the probabilities of negatives are shifted.

    Source: Ridnik et al., Asymmetric Loss for Multi-Label Classification (2021), Eq. 4, 5 and 7, with the values of its
    experiments.
    """

    def __init__(self, *, positive_focus: float = 0.0, negative_focus: float = 4.0, margin: float = 0.05) -> None:
        super().__init__()
        self.positive_focus = positive_focus
        self.negative_focus = negative_focus
        self.margin = margin

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits and 0/1 targets, both (batch, num_labels)."""
        p = torch.sigmoid(logits)
        shifted = (p - self.margin).clamp(min=0)
        smallest = torch.finfo(p.dtype).tiny
        positive = targets * torch.log(p.clamp(min=smallest))
        negative = (1 - targets) * torch.log1p(-shifted)
        if self.positive_focus:
            positive = positive * (1 - p) ** self.positive_focus
        if self.negative_focus:
            negative = negative * shifted**self.negative_focus
        return -(positive + negative).sum() / len(logits)
