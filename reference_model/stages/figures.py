"""Running figures of the stages: sums in buffers, so that an interrupted epoch goes on exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

AUC_BINS = 400
"""Scores from -20 to 20 are counted in steps of a tenth; the exact area stands in the report."""


class ClassFigures(nn.Module):
    """How often the right class is the likeliest, and among the five likeliest.

    Args:
        num_classes: C.
        tops: Among how many of the likeliest the right class may be; the first is shown on the console.

    Example:
        >>> figures = ClassFigures(3, tops=(1, 2))
        >>> figures.update(torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), torch.tensor([0, 1]))
        >>> figures.compute()
        {'top_1': 0.5, 'top_2': 1.0, 'balanced_accuracy': 0.5}
    """

    right: Tensor  # (len(tops),) int64
    by_class: Tensor  # (2, C) int64: pictures of each class, and those recognised

    def __init__(self, num_classes: int, *, tops: Sequence[int] = (1,)) -> None:
        super().__init__()
        self.tops = tuple(top for top in tops if top < num_classes)
        self.register_buffer("right", torch.zeros(len(self.tops), dtype=torch.int64), persistent=False)
        self.register_buffer("by_class", torch.zeros(2, num_classes, dtype=torch.int64), persistent=False)

    def reset(self) -> None:
        """Set all counts to 0."""
        self.right.zero_()
        self.by_class.zero_()

    @torch.no_grad()
    def update(self, outputs: Tensor | tuple[Tensor, ...], targets: Tensor) -> None:
        """Add a batch.

        Args:
            outputs: Logits (batch, C), or a tuple that starts with them.
            targets: (batch,) classes; rows with -1 count nowhere.
        """
        logits = outputs if isinstance(outputs, Tensor) else outputs[0]
        known = targets >= 0
        classes = targets.clamp(min=0)
        best = logits.topk(max(self.tops), dim=1).indices
        hits = (best == targets.unsqueeze(1)) & known.unsqueeze(1)
        self.right += torch.stack([hits[:, :top].sum() for top in self.tops])
        self.by_class[0].index_add_(0, classes, known.long())
        self.by_class[1].index_add_(0, classes, hits[:, 0].long())

    def compute(self) -> dict[str, float]:
        """Return ``top_1`` and the others, and ``balanced_accuracy``, the mean recall of the classes seen."""
        pictures, recognised = self.by_class.double()
        share = self.right / pictures.sum()
        return {
            **{f"top_{top}": value for top, value in zip(self.tops, share.tolist(), strict=True)},
            "balanced_accuracy": float((recognised / pictures).nanmean()),
        }


class FaceFigures(nn.Module):
    """The area under the curve, from counts of scores in narrow bins, and the accuracy.

    Example:
        >>> figures = FaceFigures()
        >>> figures.update(torch.tensor([[0.0, 2.0], [0.0, -1.0], [0.0, 1.0]]), torch.tensor([1, 1, 0]))
        >>> figures.compute()
        {'auc': 0.5, 'accuracy': 0.3333333333333333}
    """

    counts: Tensor  # (2, AUC_BINS) int64: non-faces and faces by score

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(2, AUC_BINS, dtype=torch.int64), persistent=False)

    def reset(self) -> None:
        """Set all counts to 0."""
        self.counts.zero_()

    @torch.no_grad()
    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch.

        Args:
            outputs: Logits (batch, 2) of non-face and face.
            targets: (batch,) 0 or 1; rows with -1 count nowhere.
        """
        score = (outputs[:, 1] - outputs[:, 0]).float()
        place = (score * 10).floor().clamp(-AUC_BINS // 2, AUC_BINS // 2 - 1).long() + AUC_BINS // 2
        known = targets >= 0
        self.counts.view(-1).index_add_(0, targets.clamp(min=0) * AUC_BINS + place, known.long())

    def compute(self) -> dict[str, float]:
        """Return ``auc``, a tie within a bin counting one half, and ``accuracy``, at a score of 0."""
        negative, positive = self.counts.double()
        below = negative.cumsum(0) - negative
        pairs = negative.sum() * positive.sum()
        middle = AUC_BINS // 2
        right = negative[:middle].sum() + positive[middle:].sum()
        return {
            "auc": float((positive * (below + negative / 2)).sum() / pairs),
            "accuracy": float(right / self.counts.sum()),
        }


class AgeFigures(nn.Module):
    """The mean absolute error in years, beside that of always saying the median of the training partition.

    Args:
        median: In years.
        scale: Years of a target of 1.
    """

    sums: Tensor  # (3,) float64: errors of the net, errors of the median, pictures

    def __init__(self, *, median: float, scale: float) -> None:
        super().__init__()
        self.median = median
        self.scale = scale
        self.register_buffer("sums", torch.zeros(3, dtype=torch.float64), persistent=False)

    def reset(self) -> None:
        """Set all sums to 0."""
        self.sums.zero_()

    @torch.no_grad()
    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch.

        Args:
            outputs: (batch,) predicted targets.
            targets: (batch,), NaN where missing.
        """
        known = ~targets.isnan()
        years = torch.where(known, targets, 0.0).double() * self.scale
        errors = torch.stack([outputs.double() * self.scale - years, self.median - years, torch.ones_like(years)])
        self.sums += (errors.abs() * known).sum(dim=1)

    def compute(self) -> dict[str, float]:
        """Return ``mae`` and ``median_mae`` in years."""
        net, median, _ = (self.sums / self.sums[2]).tolist()
        return {"mae": net, "median_mae": median}
