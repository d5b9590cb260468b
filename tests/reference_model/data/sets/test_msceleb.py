"""MS-Celeb-1M's folders: written, broken and read."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.errors import DataError
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.msceleb import read_msceleb
from reference_model.data.writers.msceleb import write_msceleb
from tests.reference_model.data.sets.tiny import describe_rows, picture_bytes, tiny_catalogue

PERSON = np.array([5, 5, 5, 120, 5, 7, 120] * 5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_msceleb(tmp_path / "celebs", tiny_catalogue(tmp_path / "pictures", len(PERSON), person=PERSON))


def test_what_is_written_is_read(root: Path, tmp_path: Path):
    read = read_msceleb(root, ReadOptions())
    expected = describe_rows(tiny_catalogue(tmp_path / "pictures", len(PERSON), person=PERSON))
    assert {key: said["person"] for key, said in describe_rows(read).items()} == {
        key: said["person"] for key, said in expected.items()
    }
    assert set(read.labels["identity"].names) < {"m.00000005", "m.00000007", "m.00000120"}
    assert read.pictures.name(0) == "m.00000005/1-FaceId-0.jpg"


def test_people_are_left_out_by_name(root: Path, tmp_path: Path):
    (root / "Top1M_MidList.Name.tsv").write_text('m.00000005\t"Ann Bee"@en\nm.00000005\t"Anna"@de\n')
    (tmp_path / "out.txt").write_text("anna\n")
    read = read_msceleb(root, ReadOptions(exclude_names=tmp_path / "out.txt"))
    assert len(read) == 15
    assert not any(read.pictures.name(row).startswith("m.00000005") for row in range(15))


def test_without_a_list_of_names_the_remedy_is_named(root: Path, tmp_path: Path):
    (tmp_path / "out.txt").write_text("anna\n")
    with pytest.raises(DataError, match=r"no list of names; put one at .*Top1M_MidList\.Name\.tsv"):
        read_msceleb(root, ReadOptions(exclude_names=tmp_path / "out.txt"))


def test_folders_of_another_data_set(tmp_path: Path):
    (tmp_path / "0000001").mkdir()
    (tmp_path / "0000001" / "001.jpg").write_bytes(picture_bytes(0))
    (finding,) = load_data_set("msceleb").check(tmp_path)
    assert "no folder with pictures is named by a MID" in finding.text
    assert "give --data casia" in finding.text
