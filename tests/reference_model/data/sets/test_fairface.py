"""FairFace's layout: written, broken and read."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import AttributeLabels, Catalogue, YearLabels
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.fairface import range_of, read_fairface
from reference_model.data.sets.races import PAPER_RACES
from reference_model.data.writers.fairface import write_fairface
from tests.reference_model.data.builders import replace
from tests.reference_model.data.sets.tiny import classes, describe_rows, sizes, tiny_catalogue
from tests.reference_model.data.test_shared import shared

MIDDLES = [1.0, 6.0, 14.5, 24.5, np.nan, 64.5, 75.0, np.nan]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    labels = {
        "race": classes(PAPER_RACES, [0, 1, 2, -1] * 10),
        "age": YearLabels(np.array(MIDDLES * 5, dtype=np.float32)),
    }
    catalogue = tiny_catalogue(tmp_path / "pictures", 40, labels=labels)
    return write_fairface(tmp_path / "fairface", catalogue), catalogue


def test_what_is_written_is_read(written: tuple[Path, Catalogue]):
    root, catalogue = written
    read = read_fairface(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    assert sizes(read) == [29, 3, 8]
    tests = {catalogue.pictures.read(row) for row in np.flatnonzero(catalogue.split == "test")}
    assert {read.pictures.read(row) for row in np.flatnonzero(read.split == "test")} == tests
    assert read.label_notes == {
        "age": ("ages are ranges: the middle of each is its age, and 'more than 70' counts as 75",),
        "race": (),
    }
    assert len(read.with_label("race")) == 30
    assert len(read.with_label("age")) == 30


def test_ages_become_the_ranges_that_hold_them():
    assert [range_of(years) for years in (0, 2.9, 3, 69.9, 70, 99)] == [
        "0-2", "0-2", "3-9", "60-69", "more than 70", "more than 70",
    ]  # fmt: skip


def test_the_gender_is_written_where_it_is_known(tmp_path: Path):
    labels = {
        "race": classes(("black",), [0, 0, 0]),
        "attributes": AttributeLabels(("Male",), np.array([[1], [0], [np.nan]], dtype=np.float32)),
    }
    root = write_fairface(tmp_path / "f", tiny_catalogue(tmp_path / "pictures", 3, labels=labels))
    lines = {line for name in ("train", "val") for line in (root / f"fairface_label_{name}.csv").read_text().split()}
    assert {line.split(",", 1)[1] for line in lines if not line.startswith("file")} == {
        ",Male,Black,False", ",Female,Black,False", ",,Black,False",
    }  # fmt: skip


def test_races_that_the_paper_does_not_have_are_counted(written: tuple[Path, Catalogue]):
    root, _ = written
    replace(root / "fairface_label_train.csv", ",White,", ",Indian,")
    replace(root / "fairface_label_train.csv", ",White,", ",Latino_Hispanic,")
    replace(root / "fairface_label_train.csv", ",East Asian,", ",Southeast Asian,")
    read = read_fairface(root, ReadOptions())
    assert len(read.with_label("race")) == 28
    assert "2 pictures have no race among white, black, yellow: 1 Indian, 1 Latino_Hispanic" in read.label_notes["race"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train/1.jpg,0-2", "train/1.jpg,-31", r"train\.csv, line 2: '-31' is no age range"),
        (",Black,", ",Martian,", r"train\.csv, line 3: 'Martian' is no race; there are White"),
        ("train/2.jpg,3-9,,Black,False", "train/2.jpg,3-9", r"train\.csv, line 3: is cut off"),
        ("file,age,gender,race", "file,years,gender,race", r"train\.csv: its first line lacks the columns age"),
        ("train/2.jpg", "train/1.jpg", r"1 pictures are listed twice: train/1\.jpg"),
    ],
)
def test_wrong_rows_name_list_and_line(written: tuple[Path, Catalogue], old: str, new: str, message: str):
    replace(written[0] / "fairface_label_train.csv", old, new)
    with pytest.raises(DataError, match=message):
        read_fairface(written[0], ReadOptions())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "web page saved"),
        (b"", "it is empty"),
        (b"file,age,race\n", "lists no pictures"),
        ("file,age,race\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_lists_that_are_none(written: tuple[Path, Catalogue], content: bytes, message: str):
    (written[0] / "fairface_label_val.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"val\.csv: .*{message}"):
        read_fairface(written[0], ReadOptions())


def test_a_missing_list(written: tuple[Path, Catalogue]):
    (written[0] / "fairface_label_val.csv").unlink()
    (finding,) = load_data_set("fairface").check(written[0])
    assert finding.level == "error"
    assert "fairface_label_val.csv is missing: expected" in finding.text


def test_missing_pictures(written: tuple[Path, Catalogue]):
    root, _ = written
    (root / "train" / "3.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 40 pictures of fairface_label_\*\.csv are not in .*: train/3\.jpg;"):
        read_fairface(root, ReadOptions())
    with pytest.warns(DataWarning, match="their rows are left out"):
        assert len(read_fairface(root, ReadOptions(missing="skip"))) == 39


def test_neither_race_nor_age_can_be_written(tmp_path: Path):
    with pytest.raises(ValueError, match="race or age; tiny has neither"):
        write_fairface(tmp_path / "f", tiny_catalogue(tmp_path / "pictures", 2))
    other = {"race": classes(("Elf",), [0, 0])}
    with pytest.raises(ValueError, match="races must be among white, black, yellow, got Elf"):
        write_fairface(tmp_path / "f", tiny_catalogue(tmp_path / "pictures", 2, labels=other))


@pytest.mark.shared
def test_real_faces():
    read = read_fairface(shared("fairface_lfw"), ReadOptions())
    assert sizes(read) == [2572, 286, 2127]
    age, race = read.labels["age"].known(), read.labels["race"].known()
    assert [age[read.split != "test"].sum(), age[read.split == "test"].sum()] == [1203, 1018]
    assert race.sum() == 2408 + 1698 - 95
    assert "95 pictures have no race among white, black, yellow: 95 Indian" in read.label_notes["race"]
