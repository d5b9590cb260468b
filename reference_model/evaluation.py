"""Predictions of a net on a partition, and the report on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.loader import EvalLoader, Pictures
from reference_model.metrics import LabelCounts
from reference_model.objective import cross_entropy
from reference_model.report import FORMAT_VERSION, prediction_report


def evaluate_model(
    model: nn.Module,
    pictures: Pictures,
    *,
    names: Sequence[str],
    groups: Mapping[str, Sequence[int]],
    train_rates: Tensor,
    batch_size: int,
    device: torch.device,
) -> dict[str, Any]:
    """Evaluate a net on pictures.

    Args:
        model: Pixels (batch, 3, size, size) to logits (batch, num_labels); put into evaluation mode.
        pictures: The partition.
        names: Names of the attributes.
        groups: For every group the columns of its attributes.
        train_rates: (num_labels,) shares of positives in the training partition, for the majority baseline.
        batch_size: Pictures a step.
        device: Where to compute.

    Returns:
        The report's part on predictions, with the number of pictures and the cross-entropy of Eq. 4.
    """
    model = model.to(device).eval()
    counts = LabelCounts(len(names)).to(device)
    entropy = torch.zeros((), dtype=torch.float64, device=device)
    with torch.inference_mode():
        for batch in EvalLoader(pictures, batch_size=batch_size):
            images, targets = batch.images.to(device), batch.targets.to(device)
            logits = model(images)
            counts.update(logits, targets)
            entropy += cross_entropy(logits, targets).double() * len(logits)
    return {
        "format_version": FORMAT_VERSION,
        "samples": len(pictures),
        "cross_entropy": float(entropy) / len(pictures),
        **prediction_report(counts.cpu(), names, groups, train_rates),
    }


def choose_device(setting: str) -> torch.device:
    """Return the device of a setting: ``"auto"`` is CUDA where there is one.

    Raises:
        ValueError: If CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if setting == "cuda" and not available:
        raise ValueError("train.device is cuda, and torch finds no CUDA device here")
    return torch.device("cuda" if setting == "cuda" or (setting == "auto" and available) else "cpu")
