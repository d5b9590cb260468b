import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reference_model.data.augment import augment_batch, uniform_draws

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 3, 12, 10), dtype=np.uint8)
INDICES = np.arange(1000, 1064)


def test_shape_dtype_and_no_writing_to_the_input() -> None:
    before = IMAGES.copy()
    result = augment_batch(IMAGES, INDICES, seed=1, epoch=0)
    assert result.shape == IMAGES.shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(IMAGES, before)
    assert not np.shares_memory(result, IMAGES)


@given(st.permutations(range(64)), st.integers(1, 64), st.integers(0, 2**40), st.integers(0, 1000))
def test_depends_on_seed_epoch_and_index_alone(order: list[int], cut: int, seed: int, epoch: int) -> None:
    whole = augment_batch(IMAGES, INDICES, seed=seed, epoch=epoch)
    places = np.array(order[:cut])
    part = augment_batch(IMAGES[places], INDICES[places], seed=seed, epoch=epoch)
    np.testing.assert_array_equal(part, whole[places])


def test_another_seed_epoch_or_index_varies_differently() -> None:
    usual = augment_batch(IMAGES, INDICES, seed=1, epoch=0)
    for other in (
        augment_batch(IMAGES, INDICES, seed=2, epoch=0),
        augment_batch(IMAGES, INDICES, seed=1, epoch=1),
        augment_batch(IMAGES, INDICES + 64, seed=1, epoch=0),
    ):
        assert (other != usual).any(axis=(1, 2, 3)).sum() > 48


def test_mirroring_is_left_to_right_and_half_of_the_time() -> None:
    result = augment_batch(IMAGES, INDICES, seed=1, epoch=0, crop_padding=0)
    mirrored = np.array([np.array_equal(new, old[:, :, ::-1]) for new, old in zip(result, IMAGES, strict=True)])
    unchanged = np.array([np.array_equal(new, old) for new, old in zip(result, IMAGES, strict=True)])
    assert (mirrored ^ unchanged).all()
    assert stats.binomtest(int(mirrored.sum()), 64).pvalue > 1e-3


def test_shifts_repeat_the_border_and_reach_both_ends() -> None:
    rows = np.arange(12, dtype=np.uint8)[:, None] * 10 + np.arange(10, dtype=np.uint8)
    images = np.broadcast_to(rows, (400, 1, 12, 10)).copy()
    result = augment_batch(images, np.arange(400), seed=3, epoch=5, flip=False, crop_padding=2)
    seen = set()
    for image in result[:, 0].astype(int):
        down, right = image[5, 5] // 10 - 5, image[5, 5] % 10 - 5
        expected = rows[np.clip(np.arange(12) + down, 0, 11)][:, np.clip(np.arange(10) + right, 0, 9)]
        np.testing.assert_array_equal(image, expected)
        seen.add((down, right))
    assert seen == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_draws_are_uniform_and_independent_between_streams_and_epochs() -> None:
    indices = np.arange(20_000)
    draws = [
        uniform_draws(indices, seed=seed, epoch=epoch, stream=stream)
        for seed, epoch, stream in ((0, 0, 1), (0, 0, 2), (0, 1, 1), (1, 0, 1), (2**63, 0, 1))
    ]
    for draw in draws:
        assert stats.kstest(draw, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(draw[:-1], draw[1:])[0, 1]) < 5 / np.sqrt(len(indices))
    correlations = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(len(indices))


@pytest.mark.parametrize(
    ("images", "indices", "padding", "message"),
    [
        (IMAGES[0], INDICES, 1, r"images must be \(batch, channels, height, width\)"),
        (IMAGES, INDICES[:5], 1, r"got \(64, 3, 12, 10\) and \(5,\)"),
        (IMAGES, INDICES, 10, r"crop_padding must be in \[0, 10\), got 10"),
        (IMAGES, INDICES, -1, r"crop_padding must be in \[0, 10\), got -1"),
    ],
)
def test_bad_arguments(images: np.ndarray, indices: np.ndarray, padding: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        augment_batch(images, indices, seed=0, epoch=0, crop_padding=padding)
