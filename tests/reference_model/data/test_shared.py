"""Reading real CelebA labels and pictures, where they are at hand."""

import time
from pathlib import Path

import numpy as np
import pytest

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.data.catalogue import Catalogue
from reference_model.data.ising import load_ising
from reference_model.data.pictures import PictureBatches
from reference_model.data.registry import ReadOptions
from reference_model.data.sets.celeba import read_celeba, read_celeba_labels, read_celeba_people
from reference_model.data.sets.lfwa import read_lfwa

SHARED = Path(__file__).resolve().parents[4] / "shared"


def shared(name: str) -> Path:
    """Return a folder beside the repository, or skip."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"real data is not at ../shared/{name}")
    return folder


def sizes(catalogue: Catalogue) -> list[int]:
    return [int((catalogue.split == split).sum()) for split in ("train", "valid", "test")]


@pytest.mark.shared
def test_real_faces() -> None:
    catalogue = read_celeba(shared("celeba"), ReadOptions())  # any warning is an error here
    attributes = catalogue.labels["attributes"]
    assert attributes.names == CELEBA_ATTRIBUTES
    assert sizes(catalogue) == [10_202, 1_313, 1_144]
    assert len(np.unique(catalogue.person)) == 718
    assert not np.isnan(attributes.values).any()
    part = catalogue.rows(np.arange(32))
    pictures = PictureBatches(part.pictures, attributes.values[:32], 64)
    images, targets = pictures.batch(np.arange(32))
    assert images.shape == (32, 3, 64, 64)
    assert 60 < images.mean() < 200
    np.testing.assert_array_equal(targets, attributes.values[:32])
    assert pictures.unusable == ()


@pytest.mark.shared
def test_real_people() -> None:
    catalogue = read_celeba_people(shared("celeba"), ReadOptions())
    assert len(catalogue.labels["identity"].names) == 574
    assert len(np.unique(catalogue.person[catalogue.split == "test"])) == 72
    assert sizes(catalogue) == [9_183, 1_019, 1_144]


@pytest.mark.shared
def test_real_lfwa() -> None:
    catalogue = read_lfwa(shared("lfwa"), ReadOptions())
    train, valid, test = sizes(catalogue)
    assert (train + valid, test) == (3_824, 2_993)
    assert train > 3_300
    assert len(np.unique(catalogue.person)) == 2_861
    assert len(np.unique(catalogue.person[catalogue.split == "valid"])) == 143
    assert not np.isnan(catalogue.labels["attributes"].values).any()
    assert "the label Male contradicts itself" in catalogue.notes[0]


@pytest.mark.shared
def test_the_full_label_table() -> None:
    folder = shared("labels/celeba")
    started = time.process_time()
    catalogue = read_celeba_labels(folder)
    seconds = time.process_time() - started
    assert sizes(catalogue) == [162_770, 19_867, 19_962]
    positives = catalogue.labels["attributes"].values.sum(axis=0, dtype=np.float64)
    np.testing.assert_array_equal(positives, np.round(load_ising().rates * 202_599))
    assert seconds < 10  # about 1.5 s of processor time; the margin is for slow, busy machines
