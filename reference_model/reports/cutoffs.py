"""Cut-offs: from which probability on an attribute is called present, chosen on the validation partition."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from reference_model.metrics import LabelCounts, nanmean

CUTOFF_METRICS = ("accuracy", "f1", "balanced")
"""What cut-offs can be chosen for; the last one is the balanced accuracy."""


def calibrate_cutoffs(logits: Tensor, targets: Tensor) -> dict[str, Any]:
    """Return cut-offs for each figure that they can be chosen for, and the figures that each gives there.

    Args:
        logits: (N, num_labels) of the validation partition.
        targets: (N, num_labels), NaN where missing.

    Returns:
        Plain values: the number of ``pictures``; by metric the ``cutoffs``; and ``figures``, means over the attributes
        by metric and, named ``half``, for one half everywhere.
    """
    probabilities = logits.double().sigmoid()
    chosen = {metric: choose_cutoffs(probabilities, targets, metric) for metric in CUTOFF_METRICS}
    every = {"half": probabilities.new_full(probabilities.shape[1:], 0.5), **chosen}
    return {
        "pictures": len(targets),
        "cutoffs": {metric: cutoffs.tolist() for metric, cutoffs in chosen.items()},
        "figures": {name: figures_at(cutoffs, probabilities, targets) for name, cutoffs in every.items()},
    }


def choose_cutoffs(probabilities: Tensor, targets: Tensor, metric: str) -> Tensor:
    """Return for every attribute the probability from which on to call it present, so that a figure is largest.

    Between two probabilities that occur, every cut-off gives the same predictions: one half where it lies between them,
    else the middle. Of equally good cut-offs the one nearest to one half is chosen. An attribute whose labels are all 1
    or all 0 says nothing and gets one half.

    Args:
        probabilities: (N, num_labels) float64 in [0, 1].
        targets: (N, num_labels) in [0, 1], NaN where missing; 1 from one half on.
        metric: ``"accuracy"``, ``"f1"`` or ``"balanced"``, the balanced accuracy.

    Returns:
        (num_labels,) float64.

    Raises:
        ValueError: If the metric is unknown.

    Example:
        >>> probabilities = torch.tensor([[0.1], [0.2], [0.3], [0.4]], dtype=torch.float64)
        >>> choose_cutoffs(probabilities, torch.tensor([[0.0], [0.0], [1.0], [1.0]]), "f1")
        tensor([0.2500], dtype=torch.float64)
    """
    if metric not in CUTOFF_METRICS:
        raise ValueError(f"cut-offs are chosen for {', '.join(CUTOFF_METRICS)}; got {metric!r}")
    columns = zip(probabilities.double().T, targets.T, strict=True)
    return torch.stack([_choose_cutoff(scores, labels, metric) for scores, labels in columns])


def _choose_cutoff(scores: Tensor, labels: Tensor, metric: str) -> Tensor:
    usable = ~(scores.isnan() | labels.isnan())
    ordered, order = scores[usable].sort(descending=True)
    positive = (labels[usable][order] >= 0.5).double()
    positives, negatives = positive.sum(), (1 - positive).sum()
    if not (positives and negatives):
        return ordered.new_tensor(0.5)
    hits, alarms = torch.cat([positive.new_zeros(2, 1), torch.stack([positive, 1 - positive]).cumsum(1)], dim=1)
    # Candidate k calls the first k present: the lowest of their probabilities, and the highest of the others.
    lowest = torch.cat([ordered.new_ones(1), ordered])
    highest = torch.cat([ordered, ordered.new_zeros(1)])
    middle = (lowest + highest) / 2
    cutoffs = torch.where((highest < 0.5) & (lowest >= 0.5), 0.5, torch.where(middle > highest, middle, lowest))
    value = {
        "accuracy": hits + negatives - alarms,
        "f1": 2 * hits / (positives + hits + alarms),
        "balanced": hits / positives + 1 - alarms / negatives,
    }[metric]
    possible = highest < lowest
    possible[-1] = True
    best = possible & (value >= value[possible].max() - 1e-12)
    return cutoffs[best][(cutoffs[best] - 0.5).abs().argmin()]


def figures_at(cutoffs: Tensor, probabilities: Tensor, targets: Tensor) -> dict[str, float]:
    """Return means over the attributes of what cut-offs can be chosen for, by the names of `CUTOFF_METRICS`.

    Args:
        cutoffs: (num_labels,) probabilities from which on an attribute is called present.
        probabilities: (N, num_labels).
        targets: (N, num_labels), NaN where missing.
    """
    counts = LabelCounts(len(cutoffs))
    counts.update(probabilities - cutoffs, targets)
    figures = (counts.accuracy(), counts.f1(), counts.balanced_accuracy())
    return dict(zip(CUTOFF_METRICS, map(nanmean, figures), strict=True))
