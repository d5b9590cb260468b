"""What several tests of this folder share: synthetic faces, a finished run of each loss, a folder of mixed files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reference_model.data.synthetic import write_synthetic_faces
from tests.reference_model.training.commands import tiny_arguments, train


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 training, 32 validation and 32 test faces in CelebA's layout."""
    root = tmp_path_factory.mktemp("faces") / "celeba"
    return write_synthetic_faces(root, num_train=96, num_valid=32, num_test=32, seed=3)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> dict[str, Path]:
    """A finished run of each loss."""
    runs = {loss: tmp_path_factory.mktemp("finished") / loss for loss in ("ce", "obrl")}
    for loss, out in runs.items():
        assert train(*tiny_arguments(faces, out), "--loss", loss) == 0
    return runs


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> Path:
    """A folder with pictures of many kinds, and files that are none."""
    folder = tmp_path_factory.mktemp("mixed")
    source = sorted((faces / "img_align_celeba").iterdir())[0]
    with Image.open(source) as picture:
        face = picture.convert("RGB")
    (folder / "deep" / "er").mkdir(parents=True)
    face.save(folder / "deep" / "er" / "plain.png")
    face.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 257).save(folder / "grey16.png")
    face.quantize(64).save(folder / "animated.gif", save_all=True, append_images=[Image.new("P", face.size)])
    face.convert("RGBA").save(folder / "alpha.webp", lossless=True)
    turned = face.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "turned.png", exif=exif)
    (folder / "truncated.jpg").write_bytes(source.read_bytes()[:700])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture")
    (folder / "page.png").write_text("<!DOCTYPE html><html></html>")
    return folder
