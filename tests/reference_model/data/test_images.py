import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reference_model.data.celeba import read_celeba
from reference_model.data.errors import DataError
from reference_model.data.images import FaceImages, decode_image
from reference_model.data.table import AttributeTable

RED, GREEN = (250, 10, 10), (10, 240, 10)


def two_halves(size: tuple[int, int] = (40, 60)) -> Image.Image:
    """A picture that is red above and green below."""
    picture = Image.new("RGB", size, RED)
    picture.paste(Image.new("RGB", (size[0], size[1] // 2), GREEN), (0, size[1] // 2))
    return picture


def assert_colours(image: np.ndarray, upper: tuple[int, ...], lower: tuple[int, ...], tolerance: int = 12) -> None:
    assert image.dtype == np.uint8
    middle = image.shape[1] // 2
    np.testing.assert_allclose(image[:, : middle - 2].mean((1, 2)), upper, atol=tolerance)
    np.testing.assert_allclose(image[:, middle + 2 :].mean((1, 2)), lower, atol=tolerance)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp"])
def test_decoding_gives_channels_first_rgb_of_the_whole_picture(tmp_path: Path, name: str) -> None:
    two_halves().save(tmp_path / name)
    image = decode_image(tmp_path / name, 16)
    assert image.shape == (3, 16, 16)
    assert image.flags.c_contiguous
    assert_colours(image, RED, GREEN)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGB", (20, 20), (255, 255, 255)).convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture.save(path)
    np.testing.assert_allclose(decode_image(path, 8), 255, atol=2)


def test_a_rotation_in_the_exif_data_is_carried_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was upside down
    two_halves().save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert_colours(decode_image(tmp_path / "a.jpg", 16), GREEN, RED)


def test_large_jpegs_are_decoded_at_a_fraction_to_much_the_same_picture(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    smooth = Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((400, 400))
    smooth.save(tmp_path / "a.jpg", quality=95)
    smooth.save(tmp_path / "a.png")
    difference = decode_image(tmp_path / "a.jpg", 32).astype(int) - decode_image(tmp_path / "a.png", 32)
    assert np.abs(difference).max() <= 8


def half_a_jpeg() -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    return stream.getvalue()[: stream.tell() // 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such picture file"),
        (half_a_jpeg(), r"not a readable picture \(image file is truncated"),
        (b"<!DOCTYPE html><html>quota</html>", r"not a readable picture \(.*web page saved in place of the file"),
        (b"", r"not a readable picture \(.*empty"),
        (b"noise" * 100, r"not a readable picture \(.*cannot identify image file"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.jpg: {message}"):
        decode_image(tmp_path / "a.jpg", 64)


@pytest.fixture
def table(synthetic_root: Path) -> AttributeTable:
    return read_celeba(synthetic_root).subset("train")


@pytest.mark.parametrize("workers", [1, 3])
def test_pictures_are_the_same_kept_and_not_kept(table: AttributeTable, workers: int) -> None:
    stored, lazy = FaceImages(table, 24, workers=workers), FaceImages(table, 24, memory_mb=0, workers=workers)
    assert (stored.in_memory, lazy.in_memory) == (True, False)
    assert len(stored) == len(lazy) == 40
    indices = np.array([7, 0, 39, 7])
    for images, targets in (stored.batch(indices), lazy.batch(indices)):
        assert images.shape == (4, 3, 24, 24)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images[1], decode_image(table.files[0], 24))
        np.testing.assert_array_equal(images, stored.batch(indices)[0])
        np.testing.assert_array_equal(targets, table.targets[indices])


def test_the_memory_budget_decides(table: AttributeTable) -> None:
    # 40 pictures of 3 x 100 x 100 bytes are 1.14 MiB.
    assert FaceImages(table, 100, memory_mb=2).in_memory
    assert not FaceImages(table, 100, memory_mb=1).in_memory


def test_a_batch_does_not_share_memory_with_what_is_kept(table: AttributeTable) -> None:
    pictures = FaceImages(table, 16)
    images, targets = pictures.batch(np.array([3]))
    before = images.copy(), targets.copy()
    images[:], targets[:] = 0, 7
    again = pictures.batch(np.array([3]))
    np.testing.assert_array_equal(again[0], before[0])
    np.testing.assert_array_equal(again[1], before[1])


def test_items_are_tensors_and_missing_labels_nan(table: AttributeTable) -> None:
    targets = table.targets.copy()
    targets[39, 5] = np.nan
    pictures = FaceImages(AttributeTable(table.names, table.files, targets, table.split), 16)
    sample = pictures[-1]
    assert sample["index"] == 39
    assert sample["image"].shape == (3, 16, 16)
    assert sample["image"].dtype == torch.uint8
    torch.testing.assert_close(sample["target"], torch.from_numpy(targets[39]), equal_nan=True)
    with pytest.raises(IndexError):
        pictures[40]
    batch = next(iter(torch.utils.data.DataLoader(pictures, batch_size=5)))
    assert batch["image"].shape == (5, 3, 16, 16)
    assert batch["index"].tolist() == [0, 1, 2, 3, 4]


def test_bad_arguments(table: AttributeTable) -> None:
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        FaceImages(table, 0)
    with pytest.raises(ValueError, match="memory_mb must be 0 or more, got -1"):
        FaceImages(table, 8, memory_mb=-1)


def test_a_bad_picture_is_reported_from_the_threads(tmp_path: Path, table: AttributeTable) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"noise")
    files = [*table.files[:3], tmp_path / "bad.jpg"]
    broken = AttributeTable(table.names, files, table.targets[:4], table.split[:4])
    with pytest.raises(DataError, match=r"bad\.jpg: not a readable picture"):
        FaceImages(broken, 16, workers=2)
