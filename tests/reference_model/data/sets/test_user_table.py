"""Anybody's table of pictures: written, broken in each way, and read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import AttributeLabels, Catalogue, YearLabels, fingerprint
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.user_table import read_table
from reference_model.data.writers.user_table import write_table
from tests.reference_model.data.sets.tiny import classes, describe_rows, levels, picture_bytes, sizes, tiny_catalogue

NAMES = ("Glasses", "Male", "Smiling")
PERSON = np.repeat(np.arange(10), 3)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    generator = np.random.default_rng(0)
    values = generator.integers(0, 2, (30, 3)).astype(np.float32)
    values[:, 1] = PERSON % 2
    values[4, 0] = np.nan
    years = generator.integers(0, 101, 30).astype(np.float32)
    years[7] = np.nan
    labels = {
        "attributes": AttributeLabels(NAMES, values, {"worn": (0,), "face": (2, 1)}),
        "age": YearLabels(years),
    }
    return tiny_catalogue(tmp_path / "pictures", 30, person=PERSON, labels=labels)


def table(root: Path, text: str, *, pictures: int = 4) -> Path:
    """Write a table and the pictures 0.jpg, 1.jpg ..."""
    root.mkdir(exist_ok=True)
    for number in range(pictures):
        (root / f"{number}.jpg").write_bytes(picture_bytes(number))
    (root / "labels.csv").write_text(text)
    return root


def values(catalogue: Catalogue) -> list[list[float]]:
    return np.nan_to_num(catalogue.labels["attributes"].values, nan=9).astype(int).tolist()


def test_what_is_written_is_read(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_table(tmp_path / "set", catalogue)
    read = read_table(root, ReadOptions())
    assert str(describe_rows(read)) == str(describe_rows(catalogue))
    assert read.split.tolist() == catalogue.split.tolist()
    attributes = read.labels["attributes"]
    assert isinstance(attributes, AttributeLabels)
    assert (attributes.names, attributes.groups) == (NAMES, {"worn": (0,), "face": (2, 1)})
    (root / "labels.csv").rename(root / "mine.csv")
    assert len(read_table(root, ReadOptions())) == len(read_table(root / "mine.csv", ReadOptions())) == 30


def test_only_ages_or_only_attributes(tmp_path: Path, catalogue: Catalogue) -> None:
    for kind in ("age", "attributes"):
        part = replace(catalogue, labels={kind: catalogue.labels[kind]}, person=None)
        read = read_table(write_table(tmp_path / kind, part), ReadOptions())
        assert list(read.labels) == [kind]
        assert read.person is None
    with pytest.raises(ValueError, match="a table needs attributes or ages, which tiny does not have"):
        write_table(tmp_path / "other", replace(catalogue, labels={"class": classes(("a",), [0] * 30)}))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("1", "0", "", "1"), (1, 0, 9, 1)),
        (("1", "-1", "0", "nan"), (1, 0, 9, 9)),  # as in CelebA's list
        (("True", "false", "?", "YES"), (1, 0, 9, 1)),
        (("1.0", "0.0", "N/A", " 1 "), (1, 0, 9, 1)),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_spellings(
    tmp_path: Path, fields: tuple[str, ...], expected: tuple[int, ...], separator: str, newline: str
) -> None:
    lines = [f"File{separator}Smiling", *(f"{number}.jpg{separator}{field}" for number, field in enumerate(fields))]
    table(tmp_path, "")
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbf" + newline.join([*lines, ""]).encode())
    assert values(read_table(tmp_path, ReadOptions())) == [[value] for value in expected]


def test_columns_are_known_by_name(tmp_path: Path) -> None:
    text = "Smiling,Years,image,Split,identity\n1,30,0.jpg,train,A\n0,,1.jpg,val,B\n1,7.5,2.jpg,2,\n0,1,3.jpg,0,A\n"
    read = read_table(table(tmp_path, text), ReadOptions())
    assert values(read) == [[1], [0], [1], [0]]
    assert np.nan_to_num(read.labels["age"].values, nan=-1).tolist() == [30, -1, 7.5, 1]
    assert read.split.tolist() == ["train", "valid", "test", "train"]
    assert read.person is not None
    assert read.person.tolist() == [0, 1, -1, 0]


def test_partitions_keep_people_together(tmp_path: Path) -> None:
    rows = "".join(f"{number}.jpg,{number % 2},{number // 4}\n" for number in range(80))
    root = table(tmp_path, "file,Smiling,person\n" + rows, pictures=80)
    read = read_table(root, ReadOptions())
    assert sizes(read) == [64, 8, 8]
    assert read.person is not None
    assert sum(len(set(read.split[read.person == person])) for person in range(20)) == 20
    rows = "".join(f"{line},{'train' if number < 40 else 'test'}\n" for number, line in enumerate(rows.splitlines()))
    read = read_table(table(tmp_path, "file,Smiling,person,split\n" + rows), ReadOptions())
    assert ((read.split == "valid").sum(), (read.split == "test").sum()) == (4, 40)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,Smiling\n0.jpg,1\n1.jpg,2\n", r"line 3, column Smiling: expected 1 or 0 .* got '2'"),
        ("file,Smiling\n\n0.jpg,1\n1.jpg\n", "line 4: expected 2 fields, got 1"),
        ("file,Smiling\n0.jpg,1\n0.jpg,0\n", r"line 3, column file: 0\.jpg is also in line 2: list a picture once"),
        ("file,Smiling\n,1\n", "line 2, column file: the name of a picture is missing"),
        ("file,age\n0.jpg,130\n", "line 2, column age: expected an age of 0 to 100 years, got 130"),
        ("file,age\n0.jpg,-1\n", "line 2, column age: expected an age of 0 to 100 years, got -1"),
        ("file,age\n0.jpg,old\n", "line 2, column age: expected years, got 'old'"),
        ("file,Smiling,split\n0.jpg,1,dev\n", "line 2, column split: expected train, valid or test, got 'dev'"),
        (
            "file,Smiling,Smiling\n0.jpg,1,1\n",
            "line 1: every column must have a name .* two called Smiling",
        ),
        ("file,Smiling,\n0.jpg,1,1\n", "line 1: every column must have a name of its own"),
        ("file\n0.jpg\n", "no column of labels beside file: add one an attribute"),
        ("file,Smiling\n", "holds no rows below its first line"),
        ("<!DOCTYPE html>", "web page saved in place of the file"),
        ("", "it is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"labels\.csv.*{message}"):
        read_table(table(tmp_path, text), ReadOptions())
    assert levels("table", tmp_path) == ["error"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("worn: [Hat]", "the group worn names Hat, which is no attribute of the table"),
        ("a: [Male]\nb: [Male]", "Male is in the groups a and b; leave it in one"),
        ("a: Male", "the group a must be a list of attributes, got 'Male'"),
        ("a: []", "the group a must be a list of attributes"),
        ("- Male", "expected lines such as"),
        ("a: [", "no readable YAML"),
    ],
)
def test_groups_that_do_not_fit(tmp_path: Path, catalogue: Catalogue, content: str, message: str) -> None:
    root = write_table(tmp_path / "set", catalogue)
    (root / "groups.yaml").write_text(content)
    with pytest.raises(DataError, match=rf"groups\.yaml: {message}"):
        read_table(root, ReadOptions())


def test_attributes_in_no_group_are_one(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write_table(tmp_path / "set", catalogue)
    (root / "groups.yaml").write_text("a: [Male]")
    attributes = read_table(root, ReadOptions()).labels["attributes"]
    assert isinstance(attributes, AttributeLabels)
    assert attributes.groups == {"a": (1,), "other": (0, 2)}
    digests = {fingerprint(read_table(root, ReadOptions()))}
    for content in ("a: [Smiling]", "b: [Male]"):
        (root / "groups.yaml").write_text(content)
        digests.add(fingerprint(read_table(root, ReadOptions())))
    assert len(digests) == 3


def test_another_encoding_is_named(tmp_path: Path) -> None:
    root = table(tmp_path, "file,Smiling\n0.jpg,1\n")
    (root / "labels.csv").write_bytes("file,Größe\n0.jpg,1\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"labels\.csv: it is encoded in UTF-16: save it in UTF-8"):
        read_table(root, ReadOptions())
    (root / "labels.csv").write_bytes("file,Mund\nä.jpg,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"labels\.csv, line 2: is not encoded in UTF-8"):
        read_table(root, ReadOptions())


def test_pictures_and_tables_that_are_not_there(tmp_path: Path) -> None:
    root = table(tmp_path / "set", "file,Smiling\n0.jpg,1\ndeep\\9.jpg,0\n")
    with pytest.raises(DataError, match=r"1 of 2 pictures of labels\.csv are not in .*set: deep/9\.jpg"):
        read_table(root, ReadOptions())
    with pytest.warns(DataWarning, match="their rows are left out"):
        assert len(read_table(root, ReadOptions(missing="skip"))) == 1
    (root / "a.csv").write_text("")
    (root / "labels.csv").rename(root / "b.csv")
    with pytest.raises(DataError, match=r"holds 2 tables \(a\.csv, b\.csv\): give one of them with --root"):
        read_table(root, ReadOptions())
    with pytest.raises(DataError, match=r"no table labels\.csv"):
        read_table(tmp_path, ReadOptions())
    with pytest.raises(DataError, match="there is no such folder"):
        read_table(tmp_path / "nothing", ReadOptions())


def test_people_in_two_partitions_and_contradictions_are_counted(tmp_path: Path) -> None:
    text = "file,Male,person,split\n0.jpg,1,Ann,train\n1.jpg,0,Ann,test\n2.jpg,1,Bo,valid\n3.jpg,1,Bo,valid\n"
    told = [f"{finding.level}: {finding.text}" for finding in load_data_set("table").check(table(tmp_path, text))]
    assert told[0].startswith("warning: ")
    assert "1 people are in more than one partition" in told[0]
    assert "note: the label Male contradicts itself for 1 of the 2 people with two or more pictures" in told
