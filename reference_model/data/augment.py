"""Varying training pictures as a pure function of (seed, epoch, index), so that a stopped run resumes exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Streams keep the draws for different purposes independent of one another.
_FLIP, _DOWN, _RIGHT = 1, 2, 3
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF


def uniform_draws(indices: npt.NDArray[np.integer], *, seed: int, epoch: int, stream: int) -> npt.NDArray[np.float64]:
    """Draw one number a sample from nothing but (seed, epoch, stream, index).

    A counter-based generator (the finaliser of SplitMix64 applied to a hash of the four numbers): it has no state, so
    neither the order of the samples nor the batches they come in matter.

    Args:
        indices: (batch,) numbers of the samples.
        seed: The run's seed.
        epoch: Number of the epoch.
        stream: What the draw is for.

    Returns:
        (batch,) float64, uniform in [0, 1).
    """
    key = 0
    for word in (seed, epoch, stream):
        key = _mix_int(key ^ (word & _MASK))
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2^64
        state = (np.asarray(indices).astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN) + np.uint64(key)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix_int(state: int) -> int:
    state = (state + _GOLDEN) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)


def mirrored_rows(indices: npt.NDArray[np.integer], *, seed: int, epoch: int) -> npt.NDArray[np.bool_]:
    """Return which samples are mirrored in an epoch, about half of them.

    Args:
        indices: (batch,) numbers of the samples in the data set.
        seed: The run's seed.
        epoch: Number of the epoch.

    Returns:
        (batch,) bool.
    """
    return uniform_draws(indices, seed=seed, epoch=epoch, stream=_FLIP) < 0.5


def augment_batch(
    images: npt.NDArray[np.uint8],
    indices: npt.NDArray[np.integer],
    *,
    seed: int,
    epoch: int,
    flip: bool = True,
    crop_padding: int = 4,
) -> npt.NDArray[np.uint8]:
    """Mirror and shift pictures.

    What happens to a picture depends on (seed, epoch, its index) alone. Half of the pictures are mirrored, which
    changes none of CelebA's attributes. A shift is a random crop of the picture padded by repeating its border.

    Args:
        images: (batch, 3, height, width) uint8; not written to.
        indices: (batch,) the numbers of the samples in the data set.
        seed: The run's seed.
        epoch: Number of the epoch.
        flip: Mirror half of the pictures.
        crop_padding: Largest shift in pixels, each way, in height and in width; 0 shifts nothing.

    Returns:
        (batch, 3, height, width) uint8, a new array.

    Raises:
        ValueError: If the shapes do not fit together, or ``crop_padding`` is negative or not less than the side.
    """
    if images.ndim != 4 or indices.shape != images.shape[:1]:
        raise ValueError(
            "images must be (batch, channels, height, width) and indices (batch,), "
            f"got {images.shape} and {indices.shape}"
        )
    height, width = images.shape[2:]
    if not 0 <= crop_padding < min(height, width):
        raise ValueError(f"crop_padding must be in [0, {min(height, width)}), got {crop_padding}")
    choices = 2 * crop_padding + 1
    down = (uniform_draws(indices, seed=seed, epoch=epoch, stream=_DOWN) * choices).astype(np.int64)
    right = (uniform_draws(indices, seed=seed, epoch=epoch, stream=_RIGHT) * choices).astype(np.int64)
    mirrored = flip & mirrored_rows(indices, seed=seed, epoch=epoch)
    border = ((0, 0), (0, 0), (crop_padding, crop_padding), (crop_padding, crop_padding))
    padded = np.pad(images, border, mode="edge") if crop_padding else images
    result = np.empty_like(images, order="C")
    # Slices copy whole rows; one gather over all axes is ten times slower.
    for row, (y, x, mirror) in enumerate(zip(down.tolist(), right.tolist(), mirrored.tolist(), strict=True)):
        crop = padded[row, :, y : y + height, x : x + width]
        result[row] = crop[:, :, ::-1] if mirror else crop
    return result
