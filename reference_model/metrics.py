"""Accuracy, balanced accuracy and F1 of every attribute, from four counts; average precision from all scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LabelCounts(nn.Module):
    """Counts of right and wrong predictions, one row an attribute; missing labels count nowhere.

    A prediction is positive where its probability is at least one half (logit >= 0). One that is NaN is neither right
    nor wrong: it is counted as unusable and left out of every figure.

    Args:
        num_labels: Number of attributes.

    Example:
        >>> counts = LabelCounts(2)
        >>> counts.update(torch.tensor([[1.0, -1.0], [1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, float("nan")]]))
        >>> counts.accuracy()
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """

    counts: Tensor  # (4, num_labels) int64: true positives, false positives, false negatives, true negatives
    unusable: Tensor  # (num_labels,) int64: labels whose prediction is NaN

    def __init__(self, num_labels: int) -> None:
        super().__init__()
        # Not one of the model's weights: a run's checkpoint stores the counts separately.
        self.register_buffer("counts", torch.zeros(4, num_labels, dtype=torch.int64), persistent=False)
        self.register_buffer("unusable", torch.zeros(num_labels, dtype=torch.int64), persistent=False)

    def reset(self) -> None:
        """Set all counts to 0."""
        self.counts.zero_()
        self.unusable.zero_()

    @torch.no_grad()
    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch.

        Args:
            logits: (batch, num_labels).
            targets: (batch, num_labels) in [0, 1], NaN where missing; 1 from one half on.
        """
        positive, negative = logits >= 0, logits < 0  # NaN is neither
        actual, absent = targets >= 0.5, targets < 0.5
        self.counts += torch.stack(
            [
                (positive & actual).sum(0),
                (positive & absent).sum(0),
                (negative & actual).sum(0),
                (negative & absent).sum(0),
            ]
        )
        self.unusable += (logits.isnan() & (actual | absent)).sum(0)

    def positives(self) -> Tensor:
        """Return the labels that are 1 and have a usable prediction: (num_labels,) int64."""
        return self.counts[0] + self.counts[2]

    def negatives(self) -> Tensor:
        """Return the labels that are 0 and have a usable prediction: (num_labels,) int64."""
        return self.counts[1] + self.counts[3]

    def accuracy(self) -> Tensor:
        """Return the share of right predictions: (num_labels,) float64, NaN where no label was seen."""
        return (self.counts[0] + self.counts[3]).double() / self.counts.sum(0)

    def balanced_accuracy(self) -> Tensor:
        """Return the mean of the two classes' recalls: (num_labels,) float64, NaN where a class was not seen."""
        true_positives, _, _, true_negatives = self.counts.double()
        return (true_positives / self.positives() + true_negatives / self.negatives()) / 2

    def f1(self) -> Tensor:
        """Return 2 TP / (2 TP + FP + FN): (num_labels,) float64, NaN where all three are zero."""
        true_positives, false_positives, false_negatives, _ = self.counts.double()
        return 2 * true_positives / (2 * true_positives + false_positives + false_negatives)


def average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the average precision of every attribute: sum over thresholds of (R_n - R_{n-1}) P_n.

    Every distinct score is a threshold, so equal scores are told apart nowhere. Missing labels and scores that are NaN
    count nowhere.

    Args:
        scores: (N, num_labels) logits or probabilities; only their order matters.
        targets: (N, num_labels) in [0, 1], NaN where missing; 1 from one half on.

    Returns:
        (num_labels,) float64, NaN where no label is 1.

    Example:
        >>> average_precision(torch.tensor([[0.9], [0.8], [0.1]]), torch.tensor([[1.0], [0.0], [1.0]]))
        tensor([0.8333], dtype=torch.float64)
    """
    return torch.stack([_average_precision(*columns) for columns in zip(scores.T, targets.T, strict=True)])


def _average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    usable = ~(scores.isnan() | targets.isnan())
    ordered, order = scores[usable].sort(descending=True)
    positive = (targets[usable][order] >= 0.5).double()
    # A threshold lies behind the last of several equal scores.
    last = torch.cat([ordered[1:] != ordered[:-1], ordered.new_ones(min(len(ordered), 1), dtype=torch.bool)])
    ranks = torch.arange(1, len(ordered) + 1, dtype=torch.float64, device=scores.device)[last]
    hits = positive.cumsum(0)[last]
    gained = hits.diff(prepend=hits.new_zeros(1))
    return (gained * hits / ranks).sum() / positive.sum()


def nanmean(values: Tensor) -> float:
    """Return the mean of the entries that are not NaN, NaN if there is none."""
    return float(values[~values.isnan()].mean()) if (~values.isnan()).any() else float("nan")
