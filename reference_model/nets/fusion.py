"""Fusion of several face-level nets: their feature maps side by side, along the channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reference_model.config import FACE_NETS, Norm
from reference_model.nets.face_net import FaceNet


class FusedFaceNets(nn.Module):
    """Concatenates the convolutional features of several face-level nets along the channels.

    The paper's Net_0 to Net_3 share one architecture and differ in what they were trained for beforehand. Here
    every net starts from its own random weights; `reference_model.nets.weights.load_weights` replaces them.

    Args:
        nets: Which of ``"net_0"`` to ``"net_3"`` take part, each at most once; the order is the order of channels.
        width: As for `FaceNet`.
        depth: As for `FaceNet`.
        strides: As for `FaceNet`.
        norm: As for `FaceNet`.

    Raises:
        ValueError: If ``nets`` is empty, names an unknown net, or names one twice.

    Example:
        >>> fused = FusedFaceNets(("net_1", "net_3"), width=0.25, strides=(2, 1))
        >>> fused(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 256, 6, 6])
    """

    def __init__(
        self,
        nets: Sequence[str],
        *,
        width: float = 1.0,
        depth: int = 3,
        strides: tuple[int, int] = (2, 2),
        norm: Norm = "lrn",
    ) -> None:
        super().__init__()
        check_net_names(nets)
        self.nets = nn.ModuleDict(
            {name: FaceNet(width=width, depth=depth, strides=strides, norm=norm) for name in nets}
        )
        self.out_channels = sum(net.out_channels for net in self.face_nets())

    def face_nets(self) -> list[FaceNet]:
        """Return the nets in the order of their channels."""
        return [net for net in self.nets.values() if isinstance(net, FaceNet)]

    def forward(self, images: Tensor) -> Tensor:
        """Compute the fused features.

        Args:
            images: (batch, 3, height, width) floating point, centred on zero.

        Returns:
            (batch, out_channels, h, w): the channels of the first net, then those of the second, and so on.
        """
        return torch.cat([net(images) for net in self.nets.values()], dim=1)


def check_net_names(nets: Sequence[str]) -> None:
    """Raise ValueError unless ``nets`` names at least one face-level net and none twice."""
    unknown = [name for name in nets if name not in FACE_NETS]
    if not nets or unknown or len(set(nets)) != len(nets):
        raise ValueError(f"nets must name one or more of {', '.join(FACE_NETS)}, none of them twice; got {list(nets)}")
