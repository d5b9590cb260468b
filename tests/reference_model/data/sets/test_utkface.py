"""UTKFace's layout: written, broken and read."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import AttributeLabels, Catalogue, YearLabels
from reference_model.data.errors import DataError
from reference_model.data.registry import ReadOptions
from reference_model.data.sets.races import PAPER_RACES
from reference_model.data.sets.utkface import read_utkface
from reference_model.data.writers.utkface import write_utkface
from tests.reference_model.data.sets.tiny import classes, describe_rows, levels, picture_bytes, sizes, tiny_catalogue

MALFORMED = (
    "61_1_20170109142408075.jpg.chip.jpg",
    "53__0_20170116184028385.jpg.chip.jpg",
    "39_1_20170116174525125.jpg.chip.jpg",
    "55_0_0_20170116232725357jpg.chip.jpg",
    "24_0_1_20170116220224657 .jpg.chip.jpg",
    "24_0_1_20170116220224657.pg.chip.jpg",
)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    labels = {
        "race": classes(PAPER_RACES, [0, 1, 2, -1] * 30),
        "age": YearLabels((np.arange(120) % 101).astype(np.float32)),
    }
    catalogue = tiny_catalogue(tmp_path / "pictures", 120, labels=labels)
    return write_utkface(tmp_path / "utk", catalogue), catalogue


def add(root: Path, *names: str) -> None:
    for number, name in enumerate(names, start=500):
        (root / name).write_bytes(picture_bytes(number))


def test_what_is_written_is_read(written: tuple[Path, Catalogue]):
    root, catalogue = written
    read = read_utkface(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    assert sizes(read) == [96, 12, 12]
    assert read.notes == ()
    assert read.label_notes == {
        "age": (),
        "race": ("30 pictures have no race among white, black, yellow: Indian and others",),
    }
    assert len(read.with_label("race")) == 90


def test_malformed_names_are_counted_and_listed(written: tuple[Path, Catalogue]):
    root, _ = written
    add(root, *MALFORMED, ".DS_Store", "readme.txt")
    read = read_utkface(root, ReadOptions())
    assert len(read) == 120
    assert read.notes[0].startswith("6 of 126 files have malformed names and are left out: 24_0_1_")
    assert all(name in read.notes[0] for name in MALFORMED)
    assert levels("utkface", root).count("warning") == 1


def test_a_picture_of_another_name_is_malformed(written: tuple[Path, Catalogue]):
    add(written[0], "x_24_0_1_20170116.jpg")
    read = read_utkface(written[0], ReadOptions())
    assert "1 of 121 files have malformed names and are left out: x_24_0_1_20170116.jpg" in read.notes


def test_too_many_malformed_names_are_an_error(written: tuple[Path, Catalogue]):
    add(written[0], *MALFORMED, "7_7_7_7.jpg")
    with pytest.raises(DataError, match=r"7 of 127 names are not age_gender_race_date\.jpg, more than the 5\.0% that"):
        read_utkface(written[0], ReadOptions())
    assert len(read_utkface(written[0], ReadOptions(max_unusable=0.06))) == 120


def test_ages_above_a_hundred_are_missing(written: tuple[Path, Catalogue]):
    add(written[0], "116_1_3_20170120134744096.jpg", "101_0_0_20170120134744097.jpg")
    read = read_utkface(written[0], ReadOptions())
    assert read.label_notes["age"] == ("2 ages above 100 count as missing",)
    assert len(read.with_label("age")) == 120
    assert len(read.with_label("race")) == 91


def test_the_folders_of_the_archives_are_entered(written: tuple[Path, Catalogue]):
    root, _ = written
    outer = root.parent / "outer"
    for part in ("part1", "part2"):
        (outer / part).mkdir(parents=True)
    for number, path in enumerate(sorted(root.iterdir())):
        path.rename(outer / f"part{number % 2 + 1}" / path.name)
    read = read_utkface(outer, ReadOptions())
    assert len(read) == 120
    assert read.pictures.name(0).startswith("part1/")


def test_another_layout_is_named(tmp_path: Path):
    (tmp_path / "fairface_label_train.csv").touch()
    with pytest.raises(DataError, match=r"no picture is named like 24_0_1_20170116\.jpg; it looks like .* fairface"):
        read_utkface(tmp_path, ReadOptions())


def test_what_a_name_says(tmp_path: Path):
    labels = {
        "age": YearLabels(np.array([30.9, 5], dtype=np.float32)),
        "attributes": AttributeLabels(("Male",), np.array([[1], [0]], dtype=np.float32)),
    }
    write_utkface(tmp_path / "utk", tiny_catalogue(tmp_path / "pictures", 2, labels=labels))
    assert sorted(path.name for path in (tmp_path / "utk").iterdir()) == [
        "30_0_4_20170101000000000.jpg.chip.jpg",
        "5_1_4_20170101000000001.jpg.chip.jpg",
    ]
    with pytest.raises(ValueError, match="needs an age for each picture"):
        write_utkface(tmp_path / "no", tiny_catalogue(tmp_path / "pictures", 2))
