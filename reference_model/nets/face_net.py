"""The face-level net: the convolutional part of CNN-M (VGG-M) of Chatfield et al., 2014."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_model.config import Norm
from reference_model.settings.sizes import STEM_KERNELS, STEM_PADDING

STEM_CHANNELS = (96, 256)
BODY_CHANNELS = 512


class FaceNet(nn.Module):
    """Convolutional features of a face, by the CNN-M of Chatfield et al. (BMVC 2014).

    Two stem blocks (7x7 and 5x5 convolution, ReLU, normalisation, 3x3/2 max pooling that rounds up, as Caffe
    does) and ``depth`` 3x3 convolutions. At 224 pixels, width 1 and strides (2, 2) the maps are
    109 -> 54 -> 26 -> 13 pixels and the result is 512x13x13, as published. For small pictures the strides of the
    stem are lowered: (2, 1) takes 64 pixels to 6x6, (1, 1) takes 32 pixels to 5x5.

    The paper says "decreased stride and smaller receptive field" of its face-level nets, which is how Chatfield
    et al. describe CNN-M; it does not name the net.

    Args:
        width: Multiplies every channel count (96, 256, 512); each is rounded to a multiple of 8.
        depth: Number of 3x3 convolutions after the stem; CNN-M has 3.
        strides: Strides of the two stem convolutions.
        norm: ``"lrn"`` is CNN-M's local response normalisation after the two stem convolutions; ``"bn"`` is batch
            normalisation after every convolution; ``"none"`` is neither.

    Example:
        >>> net = FaceNet(width=0.25, strides=(2, 1))
        >>> net(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 128, 6, 6])
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        depth: int = 3,
        strides: tuple[int, int] = (2, 2),
        norm: Norm = "lrn",
    ) -> None:
        super().__init__()
        body = scaled_channels(BODY_CHANNELS, width)
        layers: list[nn.Module] = []
        channels = 3
        for out, kernel, stride, padding in zip(STEM_CHANNELS, STEM_KERNELS, strides, STEM_PADDING, strict=True):
            out = scaled_channels(out, width)
            layers += _convolution(channels, out, kernel, stride=stride, padding=padding, norm=norm, stem=True)
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            channels = out
        for _ in range(depth):
            layers += _convolution(channels, body, 3, stride=1, padding=1, norm=norm, stem=False)
            channels = body
        self.features = nn.Sequential(*layers)
        self.out_channels = channels
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the feature maps.

        Args:
            images: (batch, 3, height, width) floating point, centred on zero.

        Returns:
            (batch, out_channels, h, w), not negative.
        """
        return self.features(images)


def scaled_channels(channels: int, width: float) -> int:
    """Return ``channels * width`` rounded to a multiple of 8, and at least 8."""
    return max(8, round(channels * width / 8) * 8)


def _convolution(
    channels: int, out: int, kernel: int, *, stride: int, padding: int, norm: Norm, stem: bool
) -> list[nn.Module]:
    # A bias before batch normalisation is cancelled by its mean.
    layers: list[nn.Module] = [nn.Conv2d(channels, out, kernel, stride, padding, bias=norm != "bn")]
    if norm == "bn":
        layers.append(nn.BatchNorm2d(out))
    layers.append(nn.ReLU(inplace=True))
    if norm == "lrn" and stem:
        layers.append(CaffeLocalResponseNorm())
    return layers


class CaffeLocalResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation with CNN-M's constants: size 5, alpha 5e-4, beta 0.75, k 2.

    Caffe divides alpha by the size, and so does torch, so the published constants stand as they are.
    """

    def __init__(self) -> None:
        super().__init__(size=5, alpha=5e-4, beta=0.75, k=2.0)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Normalise each value by its neighbours along the channels; (batch, C, h, w) in and out."""
        return super().forward(input).contiguous(memory_format=_memory_format(input))


def _memory_format(tensor: Tensor) -> torch.memory_format:
    channels_last = tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
