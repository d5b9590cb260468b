"""Settings of the nets: their shape, the head of a stage, and the weights that they start from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reference_model.settings.checks import require
from reference_model.settings.names import FACE_NETS, Norm

SHAPE_SETTINGS = ("width", "depth", "norm")
"""The settings of a net that decide which tensors its file of weights has and what they mean."""


@dataclass(frozen=True)
class NetConfig:
    """The net; the defaults are a small one.

    Args:
        nets: Which face-level nets are fused: one or more of net_0, net_1, net_2, net_3.
        width: Multiplies the channels of CNN-M (96, 256, 512).
        depth: 3x3 convolutions of a face-level net after its stem; CNN-M has 3.
        strides: Strides of the two stem convolutions; CNN-M has 2 and 2.
        norm: lrn as in CNN-M, bn, or none.
        group_channels: Channels of the convolution in a group's branch.
        group_hidden: Width of the first fully-connected layer in a group's branch.
        groups: paper is a branch for each of the data's groups (the paper's nine); one is a single branch for all
            attributes; each a branch for every attribute; random shuffles the attributes among groups of the same
            sizes, by the run's seed.
        frozen: For the attributes: which of the nets are not trained; they stay in evaluation mode.
        dropout: Dropout before the second fully-connected layer, in [0, 1).
    """

    nets: tuple[str, ...] = ("net_1", "net_2", "net_3")
    width: float = 0.25
    depth: int = 3
    strides: tuple[int, int] = (2, 1)
    norm: Norm = "bn"
    group_channels: int = 16
    group_hidden: int = 64
    groups: Literal["paper", "one", "each", "random"] = "paper"
    frozen: tuple[str, ...] = ()
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check the ranges."""
        known = all(name in FACE_NETS for name in self.nets)
        distinct = len(set(self.nets)) == len(self.nets) > 0
        require(known and distinct, "net.nets", f"one or more of {', '.join(FACE_NETS)}, none twice", self.nets)
        inside = set(self.frozen) <= set(self.nets)
        require(inside, "net.frozen", f"some of net.nets ({', '.join(self.nets)})", self.frozen)
        require(self.width > 0, "net.width", "above 0", self.width)
        require(self.depth >= 0, "net.depth", "0 or more", self.depth)
        require(min(self.strides) >= 1, "net.strides", "two numbers of at least 1", self.strides)
        require(self.group_channels >= 1, "net.group_channels", "at least 1", self.group_channels)
        require(self.group_hidden >= 1, "net.group_hidden", "at least 1", self.group_hidden)
        require(0 <= self.dropout < 1, "net.dropout", "in [0, 1)", self.dropout)


@dataclass(frozen=True)
class HeadConfig:
    """The head of a stage that trains one face-level net, and the center loss of the identity stage.

    Args:
        hidden: Widths of the fully-connected layers between the feature maps and the output; none leaves them out.
        embedding: Width of the layer that identities are compared by.
        dropout: Dropout after each hidden layer, in [0, 1).
        center_weight: Weight of the center loss (Wen et al.'s lambda), 0 or more.
        center_rate: Rate of the centres (Wen et al.'s alpha), in [0, 1].
    """

    hidden: tuple[int, ...] = (128,)
    embedding: int = 128
    dropout: float = 0.2
    center_weight: float = 0.003
    center_rate: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(all(width >= 1 for width in self.hidden), "head.hidden", "widths of at least 1", self.hidden)
        require(self.embedding >= 1, "head.embedding", "at least 1", self.embedding)
        require(0 <= self.dropout < 1, "head.dropout", "in [0, 1)", self.dropout)
        require(0 <= self.center_weight < math.inf, "head.center_weight", "0 or more", self.center_weight)
        require(0 <= self.center_rate <= 1, "head.center_rate", "in [0, 1]", self.center_rate)


@dataclass(frozen=True)
class WeightsConfig:
    """Weights to start from: .safetensors files of face-level nets, or of a whole net for attributes.

    Args:
        init: For a stage that trains one net: the weights that it starts from.
        net_0: For the attributes: the weights of Net_0; without one a net starts at random.
        net_1: The same for Net_1.
        net_2: The same for Net_2.
        net_3: The same for Net_3.
        model: For the attributes: the model.safetensors of an earlier run, every layer of which is tuned further.
    """

    init: Path | None = None
    net_0: Path | None = None
    net_1: Path | None = None
    net_2: Path | None = None
    net_3: Path | None = None
    model: Path | None = None
