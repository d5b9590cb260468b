"""Nets with one hidden layer for the measurement of conditioning: one sees features, its peer also masked labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

FloatArray = NDArray[np.float64]
Flags = NDArray[np.bool_]

HIDDEN = 256
DROPOUT = 0.5
RATE = 1e-3
WEIGHT_DECAY = 1e-5
BATCH = 128
EPOCHS = 60
PATIENCE = 5
HELD_OUT = 0.15
"""The share of the training rows that decide when to stop."""


@dataclass(frozen=True)
class Net:
    """A trained net.

    Attributes:
        layers: from inputs to logits.
        masked: whether it takes known labels beside the features.
    """

    layers: nn.Sequential
    masked: bool

    def probabilities(self, features: FloatArray, targets: FloatArray, known: Flags) -> FloatArray:
        """(rows, num_labels); a net of features alone passes the labels over."""
        x, y = torch.tensor(features, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
        self.layers.eval()
        with torch.no_grad():
            logits = self.layers(_inputs(x, y, torch.tensor(known), masked=self.masked))
        return logits.sigmoid().double().numpy()


def train(features: FloatArray, targets: FloatArray, *, masked: bool, seed: int) -> Net:
    """Train by binary cross-entropy until held-out rows gain no more for some epochs; the best epoch's net.

    A masked net sees in each row a share of the labels drawn anew from 0 to 1, as 1, -1 and 0 for unknown beside the
    features, and is trained on the unknown ones: the idea of C-Tran (Lanchantin and others, CVPR 2021, section 3).
    """
    torch.manual_seed(seed)
    x, y = torch.tensor(features, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    labels = y.shape[1]
    width = x.shape[1] + (labels if masked else 0)
    layers = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, labels))
    optimizer = torch.optim.Adam(layers.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    order = torch.randperm(len(x))
    held, rest = order[: int(HELD_OUT * len(x))], order[int(HELD_OUT * len(x)) :]
    held_known = _drawn(len(held), labels)
    best, state, waited = float("inf"), layers.state_dict(), 0
    for _ in range(EPOCHS):
        layers.train()
        for rows in rest[torch.randperm(len(rest))].split(BATCH):
            optimizer.zero_grad()
            _loss(layers, x[rows], y[rows], _drawn(len(rows), labels), masked=masked).backward()
            optimizer.step()
        layers.eval()
        with torch.no_grad():
            loss = float(_loss(layers, x[held], y[held], held_known, masked=masked))
        waited = 0 if loss < best else waited + 1
        if loss < best:
            best, state = loss, {name: value.clone() for name, value in layers.state_dict().items()}
        if waited == PATIENCE:
            break
    layers.load_state_dict(state)
    return Net(layers, masked)


def _drawn(rows: int, labels: int) -> Tensor:
    return torch.rand(rows, labels) < torch.rand(rows, 1)


def _inputs(x: Tensor, y: Tensor, known: Tensor, *, masked: bool) -> Tensor:
    return torch.cat([x, torch.where(known, 2 * y - 1, 0.0)], dim=1) if masked else x


def _loss(layers: nn.Sequential, x: Tensor, y: Tensor, known: Tensor, *, masked: bool) -> Tensor:
    losses = nn.functional.binary_cross_entropy_with_logits(
        layers(_inputs(x, y, known, masked=masked)), y, reduction="none"
    )
    if not masked:
        return losses.mean()
    return losses[~known].mean()
