"""A linear head on few rows: logistic regressions under a quadratic penalty, whose weight held-out rows choose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.evidence.loss_nets import cross_entropy
from benchmarks.evidence.loss_tables import Part
from obrl.mining.metrics import FloatArray

WEIGHT_DECAYS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Strongest first, so that each starts from the weights of the one before."""
HELD_OUT = 0.3
ITERATIONS = 40
Penalty = Callable[[Tensor], Tensor]


def best_head(part: Part, penalty: Penalty | None) -> Callable[[FloatArray], FloatArray]:
    """Choose the weight decay by the cross-entropy of held-out rows, then fit to all rows: features to probabilities.

    Args:
        part: the rows, in random order.
        penalty: of the weights (num_labels, features), which the weight decay multiplies; None for half their squares.
    """
    x, y = (torch.tensor(values, dtype=torch.float32) for values in (part.features, part.targets))
    known = torch.tensor(part.known)
    held = int(HELD_OUT * len(x))
    penalty = _half_squares if penalty is None else penalty
    weights, losses = _zeros(x, y), []
    for weight_decay in WEIGHT_DECAYS:
        weights = _fitted(x[held:], y[held:], penalty, weight_decay, weights)
        with torch.no_grad():
            losses.append(float(cross_entropy(_logits(x[:held], weights), y[:held], known[:held])))
    weights = _zeros(x, y)
    for weight_decay in WEIGHT_DECAYS[: int(np.argmin(losses)) + 1]:
        weights = _fitted(x, y, penalty, weight_decay, weights)

    def predict(features: FloatArray) -> FloatArray:
        with torch.no_grad():
            return _logits(torch.tensor(features, dtype=torch.float32), weights).sigmoid().double().numpy()

    return predict


def _zeros(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros(y.shape[1], x.shape[1]), torch.zeros(y.shape[1])


def _half_squares(weight: Tensor) -> Tensor:
    return (weight**2).sum() / 2


def _logits(x: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    return x @ weights[0].T + weights[1]


def _fitted(
    x: Tensor, y: Tensor, penalty: Penalty, weight_decay: float, start: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    weight, bias = (values.clone().requires_grad_() for values in start)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    known = torch.ones_like(y, dtype=torch.bool)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = cross_entropy(_logits(x, (weight, bias)), y, known) + weight_decay * penalty(weight)
        value.backward()
        return value

    optimizer.step(closure)
    return weight.detach(), bias.detach()
