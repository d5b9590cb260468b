"""Folders of classes, and ImageNet: written, broken and read."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import Catalogue
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions
from reference_model.data.sets.image_folder import read_image_folder, read_imagenet
from reference_model.data.writers.image_folder import FOLDERS, write_image_folder, write_imagenet
from tests.reference_model.data.sets.tiny import classes, describe_rows, levels, picture_bytes, sizes, tiny_catalogue

NAMES = ("class2", "class10", "other")
VALUES = np.tile([0, 0, 1, 1, 2], 12)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return tiny_catalogue(tmp_path / "pictures", 60, labels={"class": classes(NAMES, VALUES)})


@pytest.mark.parametrize("valid", ["val", "valid", "validation"])
def test_what_is_written_is_read(tmp_path: Path, catalogue: Catalogue, valid: str) -> None:
    root = write_image_folder(tmp_path / "set", catalogue, folders={**FOLDERS, "valid": valid})
    read = read_image_folder(root, ReadOptions())
    assert read.labels["class"].names == NAMES
    assert describe_rows(read) == describe_rows(catalogue)
    assert sizes(read) == sizes(catalogue)
    assert read.pictures.name(0) == "train/class10/000001.jpg"


def test_folders_in_the_root_are_divided_at_random(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_image_folder(tmp_path / "set", catalogue, folders=None)
    read = read_image_folder(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    assert sizes(read) == [48, 6, 6]
    assert (read.split == read_image_folder(root, ReadOptions()).split).all()
    assert (read.split != read_image_folder(root, ReadOptions(seed=1)).split).any()


@pytest.mark.parametrize(("absent", "expected"), [("test", "val"), ("valid", "test")])
def test_a_partition_without_folder(tmp_path: Path, catalogue: Catalogue, absent: str, expected: str) -> None:
    catalogue = catalogue.rows(catalogue.split != absent)
    read = read_image_folder(write_image_folder(tmp_path / "set", catalogue), ReadOptions())
    train = int((catalogue.split == "train").sum())
    assert sizes(read) == [train - round(train / 10), round(train / 10), len(read) - train]
    tested = np.flatnonzero(read.split == "test").tolist()
    assert {read.pictures.name(row).split("/")[0] for row in tested} == {expected}


def test_only_training_folders_are_divided(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_image_folder(tmp_path / "set", catalogue, folders=dict.fromkeys(FOLDERS, "train"))
    assert sizes(read_image_folder(root, ReadOptions())) == [48, 6, 6]


def test_imagenet(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_imagenet(tmp_path / "set", catalogue)
    read = read_imagenet(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    train = int((catalogue.split != "test").sum())
    assert sizes(read) == [train - round(train / 20), round(train / 20), 60 - train]
    assert (root / "val" / "other").is_dir()
    (tmp_path / "unpacked" / "ILSVRC" / "Data").mkdir(parents=True)
    root.rename(tmp_path / "unpacked" / "ILSVRC" / "Data" / "CLS-LOC")
    assert describe_rows(read_imagenet(tmp_path / "unpacked", ReadOptions())) == describe_rows(catalogue)


def test_imagenet_with_a_flat_val_folder(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_imagenet(tmp_path / "set", catalogue)
    (root / "val").rename(tmp_path / "val")
    with pytest.raises(DataError, match="no folder val with ImageNet's classes"):
        read_imagenet(root, ReadOptions())
    (root / "val").mkdir()
    (root / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(picture_bytes(0))
    with pytest.raises(DataError, match=r"val: 1 pictures lie here without a folder for their class: ILSVRC2012_val"):
        read_imagenet(root, ReadOptions())


@pytest.mark.parametrize("content", [None, "notes.txt", "deeper/a.jpg"])
def test_classes_without_pictures_are_named(tmp_path: Path, catalogue: Catalogue, content: str | None) -> None:
    root = write_image_folder(tmp_path / "set", catalogue)
    (root / "train" / "class7").mkdir()
    if content is not None:
        (root / "train" / "class7" / content).parent.mkdir(exist_ok=True)
        (root / "train" / "class7" / content).write_bytes(b"text")
    with pytest.raises(DataError, match="train: 1 of 4 folders of classes hold no pictures: class7; add pictures or"):
        read_image_folder(root, ReadOptions())
    assert levels("image_folder", root) == ["error"]


def test_empty_folders_of_a_partition_are_named(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_imagenet(tmp_path / "set", catalogue)
    for path in (root / "val").rglob("*.*"):
        path.unlink()
    with pytest.raises(DataError, match="val: 3 of 3 folders of classes hold no pictures: class2, class10, other; add"):
        read_imagenet(root, ReadOptions())
    for path in (root / "val").iterdir():
        path.rmdir()
    with pytest.raises(DataError, match="val: holds no folders of classes; put the pictures of each class into"):
        read_imagenet(root, ReadOptions())


def test_a_class_without_training_pictures_is_a_warning(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_image_folder(tmp_path / "set", catalogue)
    (root / "test" / "class7").mkdir()
    (root / "test" / "class7" / "a.jpg").write_bytes(picture_bytes(100))
    with pytest.warns(DataWarning, match="1 of 4 classes have no training pictures: class7"):
        read = read_image_folder(root, ReadOptions())
    assert read.labels["class"].names == ("class2", "class7", "class10", "other")
    assert levels("image_folder", root) == ["warning", "note", "note"]


def test_the_classes_with_the_most_pictures(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_image_folder(tmp_path / "set", catalogue)
    read = read_image_folder(root, ReadOptions(classes=2))
    assert read.labels["class"].names == ("class2", "class10")
    assert len(read) == 48
    assert len(read_image_folder(root, ReadOptions(classes=9)).labels["class"].names) == 3


def test_no_folder_and_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        read_image_folder(tmp_path / "nothing", ReadOptions())
    with pytest.raises(DataError, match="no picture in its folders"):
        read_image_folder(tmp_path, ReadOptions())


def test_the_writer_needs_classes(tmp_path: Path) -> None:
    catalogue = tiny_catalogue(tmp_path / "pictures", 4, labels={"race": classes(("a",), [0, 0, -1, 0])})
    with pytest.raises(ValueError, match="need a race for each picture, which tiny does not have"):
        write_image_folder(tmp_path / "set", catalogue, label="race")
