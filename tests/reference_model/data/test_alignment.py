"""Alignment by five points: known turns, scales and shifts are undone, and lists of landmarks are read with care."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reference_model.data.alignment import ALIGNED_SIZE, TEMPLATE, align_face, read_landmarks, similarity
from reference_model.data.errors import DataError

# Corners of the mouth on both sides of its middle.
ALIGNED = np.array([*TEMPLATE[:2], (88.4, 135.0), (71.932, 152.514), (104.932, 152.514)])
NAMES = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
HEADER = " ".join(f"{name}_{axis}" for name in NAMES for axis in "xy")
ROW = "69 111 108 111 88 136 72 152 105 152"


def smooth_picture(width: int, height: int) -> np.ndarray:
    """Slow waves of colour, which survive being drawn anew."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [np.sin(x / 17) + np.cos(y / 23), np.sin((x + y) / 31) + np.cos(x / 11), np.sin(y / 13) - np.cos(x / 29)]
    return (127.5 + 60 * np.stack(waves, axis=-1)).astype(np.uint8)


def seen_by_a_camera(degrees: float, scale: float) -> tuple[Image.Image, np.ndarray]:
    """The aligned picture as a part of a larger one, turned and scaled by a formula of its own; and its landmarks."""
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    width, height = 700, 600
    centre, middle = np.array(ALIGNED_SIZE) / 2, np.array([width, height]) / 2
    aligned = smooth_picture(*ALIGNED_SIZE).astype(np.float64)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    places = (np.stack([x, y], axis=-1) - middle) @ np.linalg.inv(turn).T + centre
    # Between four pixels, beyond the border the nearest.
    low = np.floor(places).astype(int)
    share = places - low
    picture = np.zeros((*places.shape[:2], 3))
    for right in (0, 1):
        for down in (0, 1):
            weight = np.where(right, share[..., 0], 1 - share[..., 0]) * np.where(
                down, share[..., 1], 1 - share[..., 1]
            )
            column = np.clip(low[..., 0] + right, 0, ALIGNED_SIZE[0] - 1)
            row = np.clip(low[..., 1] + down, 0, ALIGNED_SIZE[1] - 1)
            picture += weight[..., None] * aligned[row, column]
    return Image.fromarray(picture.round().astype(np.uint8)), (ALIGNED - centre) @ turn.T + middle


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (30, 1.0), (-75, 1.6), (180, 0.7), (20, 2.3)])
def test_a_known_turn_and_scale_are_undone(degrees: float, scale: float) -> None:
    picture, landmarks = seen_by_a_camera(degrees, scale)
    aligned = np.asarray(align_face(picture, landmarks, where="face")).astype(int)
    assert aligned.shape == (218, 178, 3)
    difference = np.abs(aligned - smooth_picture(*ALIGNED_SIZE).astype(int))
    assert difference.mean() < 1.5 and np.quantile(difference, 0.99) < 8


def test_an_aligned_picture_stays_as_it_is() -> None:
    pixels = smooth_picture(*ALIGNED_SIZE)
    assert np.array_equal(np.asarray(align_face(Image.fromarray(pixels), ALIGNED, where="face")), pixels)


def test_beyond_the_border_it_is_repeated() -> None:
    pixels = np.zeros((218, 178, 3), dtype=np.uint8)
    pixels[:, 0] = 200
    aligned = np.asarray(align_face(Image.fromarray(pixels), ALIGNED - [30, 0], where="face"))
    assert (aligned[:, :28] == 200).all() and (aligned[:, 34:] == 0).all()


def test_points_are_fitted_without_reflection() -> None:
    source = np.array([[0.0, 0], [2, 0], [1, 3]])
    turn = np.array([[0.0, -2], [2, 0]])
    matrix, shift = similarity(source, source @ turn.T + [5, 7])
    assert np.allclose(matrix, turn) and np.allclose(shift, [5, 7])


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (ALIGNED[[1, 0, 2, 4, 3]], "the eyes have changed places"),
        (np.ones((5, 2)), "on a line"),
        (ALIGNED + 500, "outside of the picture, which is \\(178, 218\\)"),
    ],
)
def test_points_that_are_no_face_are_refused(landmarks: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=f"a.jpg: .*{message}"):
        align_face(Image.new("RGB", ALIGNED_SIZE), landmarks, where="a.jpg")


AS_TEXT = f"2\n{HEADER} \n000001.jpg {ROW}\nfolder/my face.jpg  {ROW}\n"
ROWS = "".join(f"{name},{ROW.replace(' ', ', ')}\r\n" for name in ("000001.jpg", '"folder/my face.jpg"'))
AS_CSV = f"image_id,{HEADER.replace(' ', ',')}\r\n{ROWS}"


@pytest.mark.parametrize("text", [AS_TEXT, AS_CSV])
def test_lists_as_text_and_as_csv(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    points = read_landmarks(path).points
    assert list(points) == ["000001.jpg", "folder/my face.jpg"]
    assert points["000001.jpg"].tolist() == [[69, 111], [108, 111], [88, 136], [72, 152], [105, 152]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a line with the names lefteye_x"),
        (f"1\na.jpg {ROW}\n", "expected a line with the names lefteye_x"),
        (f"{HEADER}\na.jpg 1 2 3\n", "line 2: expected the name of a picture and 10 numbers, got 'a.jpg 1 2 3'"),
        (f"{HEADER}\na.jpg {ROW.replace('88', 'nan')}\n", "10 numbers"),
        (f"{HEADER}\na.jpg {ROW}\na.jpg {ROW}\n", "line 3: a.jpg is there twice"),
        (f"3\n{HEADER}\na.jpg {ROW}\n", "declares 3 rows and there are 1; the file may be cut off"),
    ],
)
def test_damaged_lists_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_landmarks(path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\xff\xfe\x00")
    for name, message in {"list": "not a text file", "absent": "cannot be read", ".": "cannot be read"}.items():
        with pytest.raises(DataError, match=message):
            read_landmarks(tmp_path / name)
