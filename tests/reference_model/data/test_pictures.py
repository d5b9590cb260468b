"""Decoding every kind of picture, and batches in which some pictures cannot be used."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reference_model.data.catalogue import PictureFolder
from reference_model.data.errors import DataError
from reference_model.data.pictures import PictureBatches, as_rgb, decode_picture

GREY = np.arange(0, 256, dtype=np.uint8).reshape(16, 16)
COLOURS = 64 + np.stack([GREY, GREY.T, 255 - GREY], axis=2) // 2


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def decoded(content: bytes, size: int = 16) -> np.ndarray:
    return decode_picture(content, size, where="a.png").astype(int)


SIXTEEN = Image.fromarray(GREY.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (encoded(SIXTEEN, "PNG"), "I;16"),
        (encoded(SIXTEEN, "TIFF"), "I;16"),
        (encoded(SIXTEEN, "TIFF", big_endian=True), "I;16B"),
        (encoded(SIXTEEN, "PPM"), "I"),
        (encoded(SIXTEEN, "JPEG2000"), "I;16"),
    ],
)
def test_16_bit_grey_levels_are_those_of_the_8_bit_twin(content: bytes, mode: str) -> None:
    assert Image.open(io.BytesIO(content)).mode in (mode, "I;16")
    twin = decoded(encoded(Image.fromarray(GREY), "PNG"))
    assert np.abs(decoded(content) - twin).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "La", "P", "PA", "1"])
def test_grey_modes_equal_their_twin(mode: str) -> None:
    levels = np.where(GREY > 127, 255, 0).astype(np.uint8) if mode == "1" else GREY
    picture = Image.fromarray(levels)
    picture = picture.convert("LA").convert("La") if mode == "La" else picture.convert(mode)
    assert picture.mode == mode
    np.testing.assert_array_equal(np.asarray(as_rgb(picture))[..., 1], levels)


@pytest.mark.parametrize(
    ("mode", "tolerance"),
    [("RGB", 0), ("RGBA", 0), ("RGBa", 0), ("RGBX", 0), ("CMYK", 0), ("YCbCr", 4), ("HSV", 4), ("LAB", 8)],
)
def test_colour_modes_equal_their_twin(mode: str, tolerance: int) -> None:
    picture = Image.fromarray(COLOURS)
    picture = picture.convert("RGBA").convert("RGBa") if mode == "RGBa" else picture.convert(mode)
    assert picture.mode == mode
    difference = np.asarray(as_rgb(picture)).astype(int) - COLOURS
    assert np.abs(difference).max() <= tolerance
    assert abs(difference.mean()) <= 1.5


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("LA", "PNG"), ("P", "GIF"), ("PA", "TIFF"), ("RGBA", "PNG"), ("CMYK", "TIFF"), ("LAB", "TIFF")],
)
def test_files_of_every_mode_equal_their_twin(mode: str, kind: str) -> None:
    picture = Image.fromarray(COLOURS).convert(mode)
    content = encoded(picture, kind)
    np.testing.assert_allclose(decoded(content).transpose(1, 2, 0), np.asarray(as_rgb(picture)), atol=1)


def tiff_with(tag: int, value: int) -> bytes:
    """A 16-bit TIFF file, one of whose fields is changed."""
    content = bytearray(encoded(SIXTEEN, "TIFF"))
    place = content.index(struct.pack("<HHI", tag, 3, 1))
    content[place + 8 : place + 12] = struct.pack("<I", value)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encoded(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "32-bit grey levels have no known range"),
        (encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"), "32-bit grey levels have no known range"),
        (tiff_with(258, 12), "12-bit grey levels: save it with 8 or 16 bits"),
        (tiff_with(262, 0), "16-bit grey levels in which 0 is white"),
    ],
)
def test_grey_levels_without_a_range_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.png: not a readable picture \({message}"):
        decoded(content)


def test_a_file_that_is_no_picture_is_named_and_nothing_of_the_program() -> None:
    with pytest.raises(DataError, match=r"a\.png: not a readable picture \(of no format that is known\)$"):
        decoded(b"hello")


def halves(orientation: int, *, broken_resolution: bool) -> bytes:
    """A picture red on its left and green on its right, with EXIF data by hand."""
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:, :8, 0], pixels[:, 8:, 1] = 250, 250
    entries = [struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)]
    if broken_resolution:
        entries.append(struct.pack("<HHIi", 0x011A, 9, 1, -5))  # XResolution as SLONG, where RATIONAL belongs
    exif = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return encoded(Image.fromarray(pixels), "JPEG", quality=95, exif=b"Exif\0\0" + exif)


@pytest.mark.parametrize("broken_resolution", [False, True])
def test_a_rotation_is_carried_out_beside_fields_that_cannot_be_rewritten(broken_resolution: bool) -> None:
    turned = decoded(halves(6, broken_resolution=broken_resolution))
    assert turned[0, :7].mean() > 240  # a quarter clockwise: left becomes top
    assert turned[1, 9:].mean() > 240
    upright = decoded(halves(1, broken_resolution=broken_resolution))
    assert upright[0, :, :7].mean() > 240


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "PCX", "SGI"])
def test_any_broken_file_is_named_and_never_another_error(kind: str) -> None:
    generator = np.random.default_rng(0)
    whole = encoded(Image.fromarray(COLOURS), kind)
    for _ in range(30):
        content = bytearray(whole[: generator.integers(1, len(whole))])
        for place in generator.integers(0, len(content), 3):
            content[place] = generator.integers(0, 256)
        try:
            decode_picture(bytes(content), 8, where="dir/a.x")
        except DataError as error:
            assert str(error).startswith("dir/a.x: not a readable picture (")


def test_large_jpegs_are_decoded_at_a_fraction_to_much_the_same_picture() -> None:
    generator = np.random.default_rng(0)
    smooth = Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((400, 400))
    difference = decoded(encoded(smooth, "JPEG", quality=95), 32) - decoded(encoded(smooth, "PNG"), 32)
    assert np.abs(difference).max() <= 8


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    """100 pictures: the level of number n is 2 n."""
    names = [f"{number:03d}.png" for number in range(100)]
    for number, name in enumerate(names):
        Image.new("L", (8, 8), 2 * number).save(tmp_path / name)
    return PictureFolder(tmp_path, np.array(names))


def spoil(folder: PictureFolder, rows: Sequence[int]) -> None:
    for row in rows:
        (folder.root / folder.name(row)).write_bytes(b"<html>quota</html>")


def batches(folder: PictureFolder, memory_mb: int, **options: object) -> PictureBatches:
    return PictureBatches(folder, np.arange(len(folder)), 8, memory_mb=memory_mb, **options)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("memory_mb", [0, 1])
def test_the_next_usable_row_stands_for_an_unusable_one(folder: PictureFolder, memory_mb: int, workers: int) -> None:
    spoil(folder, [7, 99])
    (folder.root / "008.png").unlink()
    pictures = batches(folder, memory_mb, workers=workers)
    for _ in range(2):
        images, targets = pictures.batch(np.array([3, 7, 8, 99, 9]))
        assert targets.tolist() == [3, 9, 9, 0, 9]
        np.testing.assert_array_equal(images, (2 * targets[:, None, None, None]).repeat(3, 1).repeat(8, 2).repeat(8, 3))
    assert [picture.row for picture in pictures.unusable] == [7, 8, 99]
    assert pictures.unusable[0].reason.endswith("web page saved in place of the file: download it again)")
    assert pictures.unusable[1].reason == f"{folder.root / '008.png'}: no such picture file"


@pytest.mark.parametrize("memory_mb", [0, 1])
def test_two_percent_are_counted_and_six_stop(folder: PictureFolder, memory_mb: int) -> None:
    spoil(folder, [10, 20])
    pictures = batches(folder, memory_mb)
    pictures.batch(np.arange(100))
    assert len(pictures.unusable) == 2
    spoil(folder, [30, 40, 50, 60])
    with pytest.raises(DataError, match=r"6 of 100 pictures cannot be used.*, more than the 5\.0% .*010"):
        batches(folder, memory_mb).batch(np.arange(100))


def test_unusable_pictures_are_judged_by_their_share_of_all_wherever_they_lie(folder: PictureFolder) -> None:
    spoil(folder, range(20, 45))
    pictures = batches(folder, 0, max_unusable=0.25)
    pictures.batch(np.arange(20, 45))
    pictures.batch(np.arange(100))
    assert len(pictures.unusable) == 25
    with pytest.raises(
        DataError, match=r"25 of 100 pictures cannot be used \(26 were tried so far\), more than the 24"
    ):
        batches(folder, 0, max_unusable=0.24).batch(np.arange(20, 46))


def test_no_usable_picture_ends(folder: PictureFolder) -> None:
    spoil(folder, range(100))
    with pytest.raises(DataError, match="100 of 100"):
        batches(folder, 1, max_unusable=0.99)
    with pytest.raises(DataError, match=r"1 of 100 .*\(1 were tried so far\)"):
        batches(folder, 0, max_unusable=0).batch(np.array([4]))


@pytest.mark.parametrize("memory_mb", [0, 1])
def test_a_picture_of_its_class_stands_for_an_unusable_one(folder: PictureFolder, memory_mb: int) -> None:
    classes = np.arange(100) % 3
    spoil(folder, [30, 33, 98])
    pictures = batches(folder, memory_mb, classes=classes)
    assert pictures.batch(np.array([30, 31, 33, 98]))[1].tolist() == [36, 31, 36, 2]


def test_a_class_without_a_usable_picture_is_an_error(folder: PictureFolder) -> None:
    spoil(folder, [50, 51])
    pictures = batches(folder, 0, classes=np.isin(np.arange(100), [50, 51]).astype(np.int64))
    with pytest.raises(DataError, match=r"no picture of the class of .*05[01]\.png can be used: .*web page"):
        pictures.batch(np.array([50, 3]))


def test_the_memory_budget_decides(folder: PictureFolder) -> None:
    # 100 pictures of 3 x 64 x 64 bytes are 1.17 MiB.
    stored, streamed = (PictureBatches(folder, np.zeros(100), 64, memory_mb=size) for size in (2, 1))
    (folder.root / "003.png").unlink()
    stored.batch(np.array([3]))
    streamed.batch(np.array([3]))
    assert [len(pictures.unusable) for pictures in (stored, streamed)] == [0, 1]


@pytest.mark.parametrize("memory_mb", [0, 1])
def test_a_batch_shares_no_memory(folder: PictureFolder, memory_mb: int) -> None:
    pictures = batches(folder, memory_mb)
    images, targets = pictures.batch(np.array([3]))
    images[:], targets[:] = 0, 7
    again = pictures.batch(np.array([3]))
    assert (again[0].max(), again[1].tolist()) == (6, [3])


def test_bad_arguments(folder: PictureFolder) -> None:
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        PictureBatches(folder, np.zeros(100), 0)
    with pytest.raises(ValueError, match="memory_mb must be 0 or more, got -1"):
        batches(folder, -1)
    with pytest.raises(ValueError, match=r"max_unusable must be in \[0, 1\), got 1"):
        batches(folder, 0, max_unusable=1)
    with pytest.raises(ValueError, match="expected 100 rows of targets, one a picture, got 99"):
        PictureBatches(folder, np.zeros(99), 8)
