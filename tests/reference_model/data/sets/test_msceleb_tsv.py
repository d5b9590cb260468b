"""MS-Celeb-1M's table: written, broken and read."""

import os
from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import Catalogue
from reference_model.data.errors import DataError
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets import msceleb_tsv
from reference_model.data.sets.msceleb_tsv import USUAL_NAME, read_msceleb_tsv
from reference_model.data.writers.msceleb_tsv import write_msceleb_tsv
from tests.reference_model.data.sets.tiny import describe_rows, tiny_catalogue

PERSON = np.array([45, 45, 45, 99, 45, 7, 99] * 5)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    catalogue = tiny_catalogue(tmp_path / "pictures", len(PERSON), person=PERSON)
    return write_msceleb_tsv(tmp_path / "table", catalogue), catalogue


def test_what_is_written_is_read(written: tuple[Path, Catalogue]):
    root, catalogue = written
    read = read_msceleb_tsv(root, ReadOptions())
    expected = {key: said["person"] for key, said in describe_rows(catalogue).items()}
    assert {key: said["person"] for key, said in describe_rows(read).items()} == expected
    assert [read.pictures.name(row) for row in (0, 3)] == ["m.00000045/1", "m.00000099/4"]
    assert len(read_msceleb_tsv(root / USUAL_NAME, ReadOptions())) == len(PERSON)
    assert len(read_msceleb_tsv(root, ReadOptions(classes=2))) == 30


def test_people_are_left_out_by_name(written: tuple[Path, Catalogue], tmp_path: Path):
    (written[0] / "Top1M_MidList.Name.tsv").write_text('m.00000045\t"Ann Bee"@en\n')
    (tmp_path / "out.txt").write_text("Ann_Bee\n")
    assert len(read_msceleb_tsv(written[0], ReadOptions(exclude_names=tmp_path / "out.txt"))) == 15


def test_the_index_is_stored_until_size_or_time_change(
    written: tuple[Path, Catalogue], cache: Path, monkeypatch: pytest.MonkeyPatch
):
    root, _ = written
    indexed = []
    compute = msceleb_tsv._index
    monkeypatch.setattr(msceleb_tsv, "_index", lambda path: (indexed.append(path), compute(path))[1])
    for _ in range(2):
        read_msceleb_tsv(root, ReadOptions())
    assert len(indexed) == 1
    os.utime(root / USUAL_NAME, ns=(1, 1))
    read_msceleb_tsv(root, ReadOptions())
    assert len(indexed) == 2
    lines = (root / USUAL_NAME).read_bytes().splitlines(keepends=True)
    (root / USUAL_NAME).write_bytes(b"".join(lines[:-1]))
    os.utime(root / USUAL_NAME, ns=(1, 1))
    assert len(read_msceleb_tsv(root, ReadOptions())) == len(PERSON) - 1
    assert len(indexed) == 3
    (stored,) = cache.rglob("*.npz")
    stored.write_bytes(stored.read_bytes()[:50])
    read_msceleb_tsv(root, ReadOptions())
    assert len(indexed) == 4
    assert not list(cache.rglob("*.tmp"))


def test_a_cache_that_cannot_be_written_is_done_without(written: tuple[Path, Catalogue], cache: Path):
    cache.write_text("no folder")
    assert len(read_msceleb_tsv(written[0], ReadOptions())) == len(PERSON)


def test_lines_that_end_as_in_windows(written: tuple[Path, Catalogue]):
    path = written[0] / USUAL_NAME
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert describe_rows(read_msceleb_tsv(written[0], ReadOptions())).keys() == describe_rows(written[1]).keys()


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (1, "line 35: is cut off within its picture"),
        (2000, r"line \d+: (is cut off within its picture|has \d columns instead of 7; it is cut off)"),
    ],
)
def test_a_cut_line_is_named(written: tuple[Path, Catalogue], cut: int, message: str):
    path = written[0] / USUAL_NAME
    path.write_bytes(path.read_bytes().rstrip(b"\n")[:-cut])
    (finding,) = load_data_set("msceleb_tsv").check(written[0])
    assert finding.level == "error"
    with pytest.raises(DataError, match=message):
        read_msceleb_tsv(written[0], ReadOptions())


def test_other_tables_are_named(written: tuple[Path, Catalogue], tmp_path: Path):
    root, _ = written
    path = root / USUAL_NAME
    lines = path.read_bytes().splitlines()
    for content, message in (
        (b"\n".join(line.split(b"\t", 1)[1] for line in lines), "line 1: has 6 columns.*the table of thumbnails"),
        (lines[0] + b"\n\n", "line 2: has 1 columns instead of 7"),
        (b"<html>", "it is a web page"),
        (b"", "it is empty"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_msceleb_tsv(root, ReadOptions())
    with pytest.raises(DataError, match=r"no file ending in \.tsv there"):
        read_msceleb_tsv(tmp_path / "pictures", ReadOptions())


def test_a_picture_that_is_not_in_base64(written: tuple[Path, Catalogue]):
    path = written[0] / USUAL_NAME
    lines = path.read_bytes().splitlines()
    lines[3] = lines[3][:-8] + b"(!)." + lines[3][-4:]
    path.write_bytes(b"\n".join(lines))
    read = read_msceleb_tsv(written[0], ReadOptions())
    with pytest.raises(DataError, match=rf"{USUAL_NAME}, line 4: the picture is not in base64"):
        read.pictures.read(3)
