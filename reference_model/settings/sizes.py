"""Sizes of feature maps, by arithmetic: settings are checked before torch is imported."""

from __future__ import annotations

STEM_KERNELS = (7, 5)
STEM_PADDING = (0, 1)


def feature_size(size: int, *, strides: tuple[int, int]) -> int:
    """Return the side in pixels of the feature map that a picture of ``size`` pixels gives; below 1 is too small.

    Args:
        size: Side of the picture in pixels.
        strides: Strides of the two stem convolutions of `reference_model.nets.FaceNet`.
    """
    for kernel, stride, padding in zip(STEM_KERNELS, strides, STEM_PADDING, strict=True):
        size = (size + 2 * padding - kernel) // stride + 1
        # 3x3/2 pooling that rounds up; the last window must start inside the map.
        pooled = -(-(size - 3) // 2) + 1
        size = pooled - 1 if (pooled - 1) * 2 >= size else pooled
    return size


def usable_feature_size(size: int, strides: tuple[int, int]) -> int:
    """Return the side of the feature maps that pictures of ``size`` pixels give.

    Args:
        size: Side of the picture in pixels.
        strides: As for `feature_size`.

    Raises:
        ValueError: If it is too small for the attribute net.
    """
    maps = feature_size(size, strides=strides)
    if maps < 2:
        raise ValueError(
            f"pictures of {size} pixels with net.strides {strides} leave a feature map of {max(maps, 0)} "
            "pixels, and at least 2 are needed; use larger pictures or smaller strides"
        )
    return maps
