"""AttributeNet: one branch a group of attributes, each with one convolution and two fully-connected layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reference_model.config import Norm


class AttributeNet(nn.Module):
    """Predicts the attributes of each group from shared feature maps.

    A group's branch is: 3x3 convolution, ReLU, 3x3/2 max pooling, fully-connected layer, ReLU, dropout,
    fully-connected layer to the group's own attributes. Branches share nothing but their input. They are computed
    together, which changes no value: all first convolutions read the same maps, so they are one convolution with
    the branches' channels side by side, and the fully-connected layers are one batched matrix product.

    Args:
        in_channels: Channels of the feature maps.
        feature_size: Side of the (square) feature maps in pixels.
        groups: For every group the columns of its attributes; together each of 0 .. num_labels - 1 exactly once.
        channels: Channels of a branch's convolution.
        hidden: Width of a branch's first fully-connected layer.
        dropout: Probability of dropping a hidden unit in training.
        norm: ``"bn"`` adds batch normalisation after the convolution; ``"lrn"`` and ``"none"`` add nothing.

    Raises:
        ValueError: If a group is empty, or the groups do not cover the columns exactly once.

    Example:
        >>> net = AttributeNet(128, 6, [(0, 2), (1,)], channels=8, hidden=16)
        >>> net(torch.zeros(5, 128, 6, 6)).shape
        torch.Size([5, 3])
    """

    group_of_label: Tensor

    def __init__(
        self,
        in_channels: int,
        feature_size: int,
        groups: Sequence[Sequence[int]],
        *,
        channels: int,
        hidden: int,
        dropout: float = 0.0,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        num_groups, num_labels = len(groups), _count_labels(groups)
        self.channels = channels
        self.convolution = nn.Conv2d(in_channels, num_groups * channels, kernel_size=3, padding=1, bias=norm != "bn")
        self.norm = nn.BatchNorm2d(num_groups * channels) if norm == "bn" else nn.Identity()
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        pooled = (feature_size - 1) // 2 + 1
        inputs = channels * pooled * pooled
        self.hidden_weight = nn.Parameter(torch.empty(num_groups, inputs, hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(num_groups, 1, hidden))
        self.dropout = nn.Dropout(dropout)
        self.output_weight = nn.Parameter(torch.empty(num_labels, hidden))
        self.output_bias = nn.Parameter(torch.zeros(num_labels))
        group_of_label = torch.empty(num_labels, dtype=torch.long)
        for group, columns in enumerate(groups):
            group_of_label[list(columns)] = group
        self.register_buffer("group_of_label", group_of_label)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        if self.convolution.bias is not None:
            nn.init.zeros_(self.convolution.bias)
        nn.init.normal_(self.hidden_weight, std=math.sqrt(2 / inputs))
        # Small, so that training starts from probabilities near one half.
        nn.init.normal_(self.output_weight, std=0.1 / math.sqrt(hidden))

    def forward(self, features: Tensor) -> Tensor:
        """Predict every attribute.

        Args:
            features: (batch, in_channels, feature_size, feature_size).

        Returns:
            Logits (batch, num_labels), in the order of the columns, not of the groups.
        """
        maps = self.pool(torch.relu(self.norm(self.convolution(features))))
        # (batch, groups * channels, h, w) -> (groups, batch, channels * h * w): a branch's channels are adjacent.
        # No size is read from the batch, so that an exported net takes any.
        branches = maps.flatten(1).unflatten(1, self.hidden_weight.shape[:2]).transpose(0, 1)
        hidden = self.dropout(torch.relu(torch.baddbmm(self.hidden_bias, branches, self.hidden_weight)))
        # Every label reads the hidden layer of its group.
        of_label = hidden[self.group_of_label]
        return (of_label * self.output_weight.unsqueeze(1)).sum(dim=-1).transpose(0, 1) + self.output_bias


def _count_labels(groups: Sequence[Sequence[int]]) -> int:
    columns = sorted(column for group in groups for column in group)
    if not groups or any(not group for group in groups) or columns != list(range(len(columns))):
        raise ValueError(
            "groups must name every column 0 .. num_labels - 1 exactly once and none may be empty; "
            f"got {[tuple(group) for group in groups]}"
        )
    return len(columns)
