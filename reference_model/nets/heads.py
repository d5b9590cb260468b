"""What a stage puts behind the convolutions: CNN-M's fully-connected layers, then classes, an embedding or a number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class _HiddenLayers(nn.Module):
    """Pooling and fully-connected layers with ReLU and dropout: CNN-M's pool5, fc6 and fc7.

    Args:
        channels: Channels of the feature maps.
        side: Their height and width in pixels, at least 2.
        hidden: Widths of the fully-connected layers; none leaves them out.
        dropout: Probability of dropping a hidden unit in training.

    Attributes:
        hidden: The fully-connected layers; the only part of a head that another stage may start from.
        width: Length of what `flat` returns.
    """

    def __init__(self, channels: int, side: int, *, hidden: Sequence[int] = (), dropout: float = 0.0) -> None:
        super().__init__()
        if side < 2:
            raise ValueError(f"feature maps must have 2 pixels or more a side, got {side}")
        # CNN-M's pool5 rounds up, as Caffe does: 13 pixels to 6, 6 to 3.
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.width = channels * ((side - 2) // 2 + 1) ** 2
        self.hidden = nn.ModuleList()
        for units in hidden:
            layer = nn.Linear(self.width, units)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            self.hidden.append(layer)
            self.width = units
        self.dropout = nn.Dropout(dropout)

    def flat(self, maps: Tensor) -> Tensor:
        """Feature maps (batch, channels, side, side) to (batch, width)."""
        values = self.pool(maps).flatten(1)
        for layer in self.hidden:
            values = self.dropout(torch.relu(layer(values)))
        return values


class ClassHead(_HiddenLayers):
    """Feature maps to the logits of classes.

    Args:
        channels: As for `EmbeddingHead`.
        side: As for `EmbeddingHead`.
        num_classes: C.
        hidden: As for `EmbeddingHead`.
        dropout: As for `EmbeddingHead`.

    Example:
        >>> ClassHead(128, 6, 40, hidden=(64,))(torch.zeros(5, 128, 6, 6)).shape
        torch.Size([5, 40])
    """

    def __init__(
        self, channels: int, side: int, num_classes: int, *, hidden: Sequence[int] = (), dropout: float = 0.0
    ) -> None:
        super().__init__(channels, side, hidden=hidden, dropout=dropout)
        self.classes = nn.Linear(self.width, num_classes)
        _start_small(self.classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps (batch, channels, side, side) to logits (batch, C)."""
        return self.classes(self.flat(maps))


class EmbeddingHead(_HiddenLayers):
    """Feature maps to an embedding, and to the logits of classes by a layer without bias on top of it.

    Args:
        channels: Channels of the feature maps.
        side: Their height and width in pixels, at least 2.
        num_classes: C.
        embedding: Length of the embedding, a linear layer.
        hidden: Widths of fully-connected layers before it.
        dropout: Probability of dropping a hidden unit in training.

    Example:
        >>> logits, embedding = EmbeddingHead(128, 6, 40, embedding=32)(torch.zeros(5, 128, 6, 6))
        >>> logits.shape, embedding.shape
        (torch.Size([5, 40]), torch.Size([5, 32]))
    """

    def __init__(
        self,
        channels: int,
        side: int,
        num_classes: int,
        *,
        embedding: int,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__(channels, side, hidden=hidden, dropout=dropout)
        self.embedding = nn.Linear(self.width, embedding)
        nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(self.width))
        nn.init.zeros_(self.embedding.bias)
        self.classes = nn.Linear(embedding, num_classes, bias=False)
        _start_small(self.classes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Feature maps (batch, channels, side, side) to logits (batch, C) and embeddings (batch, embedding)."""
        embedding = self.embedding(self.flat(maps))
        return self.classes(embedding), embedding


class NumberHead(_HiddenLayers):
    """Feature maps to one number a picture.

    Args:
        channels: As for `EmbeddingHead`.
        side: As for `EmbeddingHead`.
        hidden: As for `EmbeddingHead`.
        dropout: As for `EmbeddingHead`.
        start: What it predicts before training, about: the mean of the training targets.

    Example:
        >>> NumberHead(128, 6, hidden=(64,), start=0.4)(torch.zeros(3, 128, 6, 6))
        tensor([0.4000, 0.4000, 0.4000], grad_fn=<SelectBackward0>)
    """

    def __init__(
        self, channels: int, side: int, *, hidden: Sequence[int] = (), dropout: float = 0.0, start: float = 0.0
    ) -> None:
        super().__init__(channels, side, hidden=hidden, dropout=dropout)
        self.number = nn.Linear(self.width, 1)
        _start_small(self.number)
        nn.init.constant_(self.number.bias, start)

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps (batch, channels, side, side) to numbers (batch,)."""
        return self.number(self.flat(maps)).select(1, 0)


def _start_small(layer: nn.Linear) -> None:
    # So that training starts from nearly equal probabilities.
    nn.init.normal_(layer.weight, std=0.1 / math.sqrt(layer.in_features))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
