"""What obrl is compared with: the paper's formula, written the plain way.

Tests and benchmarks take their baseline from here. It is what a reader of the paper writes first: a
(batch, num_labels, num_labels) tensor of differences, a Pearson correlation of the batch's targets and the
scalar weight S of Eq. 1. It knows no missing labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def batch_unit_pearson(targets: Tensor) -> Tensor:
    """R_b: (1 + phi) / 2 between the columns of `targets` (batch, num_labels), as (num_labels, num_labels).

    Where a column is constant phi is undefined; it counts as 0 here, so the pair is unrelated in this batch.
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
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        return cross_entropy / logits.shape[0] + self.alpha * plain_relation_loss(logits, self.relation)
