"""Reading real CelebA labels and pictures, where they are at hand."""

import time
from pathlib import Path

import numpy as np
import pytest

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.data.celeba import read_celeba
from reference_model.data.images import FaceImages
from reference_model.data.ising import load_ising

SHARED = Path(__file__).resolve().parents[4] / "shared"


def shared(name: str) -> Path:
    """Return a folder beside the repository, or skip."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"real data is not at ../shared/{name}")
    return folder


@pytest.mark.shared
def test_real_faces() -> None:
    table = read_celeba(shared("celeba"))  # any warning is an error here
    assert table.names == CELEBA_ATTRIBUTES
    assert [len(table.subset(split)) for split in ("train", "valid", "test", "all")] == [10_202, 1_313, 1_144, 12_659]
    assert table.identity is not None
    assert len(np.unique(table.identity)) == 718
    assert not np.isnan(table.targets).any()
    pictures = FaceImages(table.rows(np.arange(32)), 64)
    images, targets = pictures.batch(np.arange(32))
    assert images.shape == (32, 3, 64, 64)
    assert 60 < images.mean() < 200
    np.testing.assert_array_equal(targets, table.targets[:32])


@pytest.mark.shared
def test_the_full_label_table() -> None:
    folder = shared("labels/celeba")
    started = time.process_time()
    table = read_celeba(folder, missing="ignore")
    seconds = time.process_time() - started
    counts = [len(table.subset(split)) for split in ("train", "valid", "test", "all")]
    assert counts == [162_770, 19_867, 19_962, 202_599]
    np.testing.assert_array_equal(table.targets.sum(axis=0, dtype=np.float64), np.round(load_ising().rates * 202_599))
    assert seconds < 10  # about 1.5 s of processor time; the margin is for slow, busy machines
