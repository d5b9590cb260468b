"""CASIA-WebFace's layout: written, broken and read."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import Catalogue
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.casia import read_casia
from reference_model.data.writers.casia import write_casia
from tests.reference_model.data.sets.tiny import describe_rows, levels, picture_bytes, tiny_catalogue

PERSON = np.array([45, 45, 45, 99, 45, 7, 99] * 5)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    catalogue = tiny_catalogue(tmp_path / "pictures", len(PERSON), person=PERSON)
    return write_casia(tmp_path / "casia", catalogue), catalogue


def test_what_is_written_is_read(written: tuple[Path, Catalogue]):
    root, catalogue = written
    read = read_casia(root, ReadOptions())
    people = {key: said["person"] for key, said in describe_rows(read).items()}
    assert people == {key: said["person"] for key, said in describe_rows(catalogue).items()}
    assert (root / "0000045" / "001.jpg").is_file()
    assert sorted(set(read.person.tolist())) == [7, 45, 99]
    again = read_casia(write_casia(root.parent / "again", read), ReadOptions())
    assert describe_rows(again) == describe_rows(read)
    assert (read.split == again.split).all()


def test_the_folder_of_the_archive_is_entered(written: tuple[Path, Catalogue]):
    root, _ = written
    (root.parent / "outer").mkdir()
    root.rename(root.parent / "outer" / "CASIA-WebFace")
    assert len(read_casia(root.parent / "outer", ReadOptions())) == len(PERSON)


def test_people_with_the_most_pictures_and_without_some(written: tuple[Path, Catalogue]):
    root, _ = written
    assert set(read_casia(root, ReadOptions(classes=2)).person.tolist()) == {45, 99}
    (root / "names.txt").write_text("0000045 Ann_Bee\n0000007 Cy_Dee\n")
    (root.parent / "out").write_text("Ann Bee\n")
    read = read_casia(root, ReadOptions(exclude_names=root.parent / "out"))
    assert set(read.person.tolist()) == {7, 99}
    assert "1 people named in out are left out" in read.notes[0]


def test_other_folders_are_counted(written: tuple[Path, Catalogue]):
    root, _ = written
    (root / "docs").mkdir()
    (root / "docs" / "logo.png").write_bytes(picture_bytes(99, kind="PNG"))
    (root / "0000123").mkdir()
    with pytest.warns(DataWarning) as caught:
        assert len(read_casia(root, ReadOptions())) == len(PERSON)
    texts = [str(warning.message) for warning in caught]
    assert "1 folders hold no pictures and are not used: 0000123" in texts[0]
    assert "1 folders are not named by seven digits, such as 0000045, and are not used: docs" in texts[1]
    assert levels("casia", root) == ["warning", "warning", "note", "note", "note"]


def test_another_layout_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"nowhere: there is no such folder.*--root"):
        read_casia(tmp_path / "nowhere", ReadOptions())
    (tmp_path / "m.0abc").mkdir()
    with pytest.raises(DataError, match="no picture in its folders; it looks like the data set msceleb: give --data"):
        read_casia(tmp_path, ReadOptions())
    (tmp_path / "m.0abc" / "0-FaceId-0.jpg").write_bytes(picture_bytes(0))
    (finding,) = load_data_set("casia").check(tmp_path)
    assert finding.level == "error"
    assert "no folder with pictures is named by seven digits" in finding.text


def test_people_must_be_known_to_be_written(tmp_path: Path):
    with pytest.raises(ValueError, match="needs the person in each picture"):
        write_casia(tmp_path / "out", tiny_catalogue(tmp_path / "pictures", 3))
    with pytest.raises(ValueError, match="at most seven digits"):
        write_casia(tmp_path / "out", tiny_catalogue(tmp_path / "pictures", 2, person=np.array([1, 10**7])))
