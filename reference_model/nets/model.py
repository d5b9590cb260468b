"""Whole nets, from pixels to outputs: fused face-level nets with AttributeNet, or one face-level net with a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.config import NetConfig
from reference_model.nets.attribute_net import AttributeNet
from reference_model.nets.face_net import FaceNet
from reference_model.nets.fusion import FusedFaceNets
from reference_model.settings.sizes import usable_feature_size


class AttributeModel(nn.Module):
    """Pixels to logits: scaling, fused face-level nets, one branch a group of attributes.

    Args:
        size: Side of the pictures in pixels.
        groups: For every group the columns of its attributes.
        config: The net's settings.

    Raises:
        ValueError: If pictures of ``size`` leave no feature map.

    Example:
        >>> model = AttributeModel(32, [(0, 2), (1,)], NetConfig(width=0.1, strides=(1, 1)))
        >>> model(torch.zeros(4, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([4, 3])
    """

    def __init__(self, size: int, groups: Sequence[Sequence[int]], config: NetConfig) -> None:
        super().__init__()
        maps = usable_feature_size(size, config.strides)
        self.size = size
        self.face = FusedFaceNets(
            config.nets, width=config.width, depth=config.depth, strides=config.strides, norm=config.norm
        )
        self.attributes = AttributeNet(
            self.face.out_channels,
            maps,
            groups,
            channels=config.group_channels,
            hidden=config.group_hidden,
            dropout=config.dropout,
            norm=config.norm,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits.

        Args:
            images: (batch, 3, size, size) uint8, or floating point in [0, 255].

        Returns:
            Logits (batch, num_labels).
        """
        return self.attributes(self.face(scale_pixels(images)))

    def forward_features(self, features: Tensor) -> Tensor:
        """Compute the logits from features of the face-level nets that were computed beforehand.

        Args:
            features: (batch, channels, side, side) floating point of any precision: the channels of the first net,
                then those of the second, and so on, as the fused nets return them.

        Returns:
            Logits (batch, num_labels).
        """
        return self.attributes(features.float())


class StageModel(nn.Module):
    """Pixels to the outputs of a stage that trains one face-level net: scaling, the net, its head.

    Args:
        trunk: The face-level net.
        head: Takes its feature maps.

    Example:
        >>> from reference_model.nets import FaceNet
        >>> trunk = FaceNet(width=0.05, strides=(1, 1))
        >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(2))
        >>> StageModel(trunk, head)(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([1, 2])
    """

    def __init__(self, trunk: FaceNet, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, images: Tensor) -> Any:
        """Compute the head's outputs.

        Args:
            images: (batch, 3, size, size) uint8, or floating point in [0, 255].
        """
        return self.head(self.trunk(scale_pixels(images)))


def choose_forward(model: nn.Module, *, features: bool) -> Callable[[Tensor], Any]:
    """Return what computes a net's outputs: from pixels, or from features that were computed beforehand.

    Raises:
        TypeError: If the net has no face-level nets whose features are fused.
    """
    if not features:
        return model
    if not isinstance(model, AttributeModel):
        raise TypeError(f"{type(model).__name__} takes no stored features")
    return model.forward_features


def scale_pixels(images: Tensor) -> Tensor:
    """Scale pixels from [0, 255] to about [-1, 1), as (x - 127.5) / 128, in the layout convolutions like best."""
    return ((images.float() - 127.5) / 128).contiguous(memory_format=torch.channels_last)


def build_seeded(build: Callable[[], nn.Module], *, seed: int) -> nn.Module:
    """Build a net whose initial weights depend on ``seed`` alone, leaving the global random state as it was.

    Args:
        build: Makes the net.
        seed: Seed of its weights.

    Example:
        >>> first, second = (build_seeded(lambda: nn.Linear(2, 1), seed=3) for _ in range(2))
        >>> torch.equal(first.weight, second.weight)
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
