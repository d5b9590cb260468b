"""SUN397's layout: written, broken and read."""

from pathlib import Path

import pytest

from reference_model.data.catalogue import Catalogue
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.sun397 import read_sun397
from reference_model.data.writers.sun397 import write_sun397
from tests.reference_model.data.sets.tiny import classes, describe_rows, sizes, tiny_catalogue

SCENES = ("apse/indoor", "abbey", "zoo", "apartment_building/outdoor")


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    labels = {"class": classes(SCENES, [0, 1, 2, 3, 0] * 8)}
    catalogue = tiny_catalogue(tmp_path / "pictures", 40, labels=labels)
    return write_sun397(tmp_path / "sun", catalogue), catalogue


def test_what_is_written_is_read(written: tuple[Path, Catalogue]):
    root, catalogue = written
    read = read_sun397(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    assert read.labels["class"].names == tuple(sorted(SCENES))
    assert sizes(read) == [32, 4, 4]
    assert (root / "a" / "apse" / "indoor" / "sun_000001.jpg").is_file()
    assert (root / "ClassName.txt").read_text().splitlines()[0] == "/a/abbey"


def test_scenes_with_the_most_pictures(written: tuple[Path, Catalogue]):
    read = read_sun397(written[0], ReadOptions(classes=2))
    assert read.labels["class"].names == ("abbey", "apse/indoor")
    assert len(read) == 24


def test_a_missing_list_and_missing_scenes_are_warned_of(written: tuple[Path, Catalogue]):
    root, catalogue = written
    with (root / "ClassName.txt").open("a") as stream:
        stream.write("/y/yard\n")
    with pytest.warns(DataWarning, match=r"1 of 5 scenes have no pictures and are not used: y/yard"):
        read_sun397(root, ReadOptions())
    (root / "ClassName.txt").unlink()
    with pytest.warns(DataWarning, match=r"ClassName\.txt is missing"):
        assert len(read_sun397(root, ReadOptions())) == len(catalogue)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("/a/abbey\n/z/zoo\n/a/apse/indoor\n", r"lacks 1 folders that hold pictures: a/apartment_building/outdoor"),
        ("<!DOCTYPE html><html>", "a web page saved in place of the file"),
    ],
)
def test_a_list_that_lacks_scenes(written: tuple[Path, Catalogue], content: str, message: str):
    (written[0] / "ClassName.txt").write_text(content)
    (finding,) = load_data_set("sun397").check(written[0])
    assert finding.level == "error"
    with pytest.raises(DataError, match=message):
        read_sun397(written[0], ReadOptions())


def test_another_layout_is_named(written: tuple[Path, Catalogue]):
    root, _ = written
    (root / "ClassName.txt").unlink()
    (root / "a").rename(root / "0000001")
    with pytest.raises(DataError, match=r"expected folders of single letters.*it looks like the data set casia"):
        read_sun397(root, ReadOptions())


def test_classes_must_be_known_to_be_written(tmp_path: Path):
    with pytest.raises(ValueError, match="needs a class for each picture"):
        write_sun397(tmp_path / "out", tiny_catalogue(tmp_path / "pictures", 2))
