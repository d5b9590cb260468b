"""IMDB-WIKI's layout: written, broken and read."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from reference_model.data.catalogue import Catalogue, YearLabels
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.imdb_wiki import ages, read_imdb_wiki
from reference_model.data.writers.imdb_wiki import write_imdb_wiki
from tests.reference_model.data.sets.tiny import describe_rows, sizes, tiny_catalogue

COUNT = 36
PERSON = np.arange(COUNT) % 12 + 3


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    labels = {"age": YearLabels(np.linspace(0, 100, COUNT).round().astype(np.float32))}
    catalogue = tiny_catalogue(tmp_path / "pictures", COUNT, person=PERSON, labels=labels)
    return write_imdb_wiki(tmp_path / "faces", catalogue), catalogue


def rewrite(root: Path, **changes: np.ndarray) -> None:
    """Replace fields of the MATLAB file, or remove those that are None."""
    path = root / "imdb_crop" / "imdb.mat"
    struct = loadmat(path)["imdb"]
    fields = {name: struct[name][0, 0] for name in struct.dtype.names} | changes
    savemat(path, {"imdb": {name: value for name, value in fields.items() if value is not None}})


def field(root: Path, name: str) -> np.ndarray:
    return loadmat(root / "imdb_crop" / "imdb.mat")["imdb"][name][0, 0].astype(np.float64)


def test_what_is_written_is_read(written: tuple[Path, Catalogue]):
    root, catalogue = written
    read = read_imdb_wiki(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    assert [len(set(read.person[read.split == split].tolist())) for split in ("train", "valid", "test")] == [10, 1, 1]
    assert read_imdb_wiki(root / "imdb_crop", ReadOptions()).labels["age"].values.tolist() == (
        read.labels["age"].values.tolist()
    )


def test_nobody_is_in_two_partitions(written: tuple[Path, Catalogue]):
    read = read_imdb_wiki(written[0], ReadOptions(seed=3))
    parts = [set(read.person[read.split == split].tolist()) for split in ("train", "valid", "test")]
    assert sum(map(len, parts)) == 12


@pytest.mark.parametrize(
    ("born", "taken", "years"),
    [
        ((1981, 5, 10), 2009, 28),
        ((1981, 6, 30), 2009, 28),
        ((1981, 7, 1), 2009, 27),
        ((1981, 12, 31), 2009, 27),
        ((2009, 1, 1), 2009, 0),
        ((2010, 3, 1), 2009, -1),
    ],
)
def test_ages_count_birthdays_before_july(born: tuple[int, int, int], taken: int, years: int):
    days = datetime.date(*born).toordinal() + 366  # what MATLAB's datenum gives
    assert ages(np.array([days + 0.5]), np.array([taken], dtype=float)).tolist() == [years]


def test_dates_that_are_none_give_no_usable_age():
    years = ages(np.array([5.0, np.nan, 1e12]), np.full(3, 2009.0))
    assert years[0] == 2008
    assert np.isnan(years[1])
    assert years[2] < 0


def test_rows_that_a_rule_removes_are_counted(written: tuple[Path, Catalogue]):
    root, catalogue = written
    score, second, born = (field(root, name) for name in ("face_score", "second_face_score", "dob"))
    score[0, :5] = [-np.inf, np.nan, 0.9, 0.5, 1.0]
    second[0, 4:7] = [2.0, 0.0, -1.0]
    born[0, 10:12] = [5, np.nan]
    rewrite(root, face_score=score, second_face_score=second, dob=born)
    read = read_imdb_wiki(root, ReadOptions())
    assert read.notes == (
        "imdb.mat: of 36 rows, 29 remain; removed were 2 with no face (face_score -Inf or NaN), "
        "2 with face_score below 1, 1 with a second face, 2 with an age outside of 0 to 100, or no date",
    )
    rest = [row for row in range(COUNT) if row not in (0, 1, 2, 3, 4, 10, 11)]
    assert set(describe_rows(read)) == set(describe_rows(catalogue.rows(np.array(rest))))
    assert read.notes[0] in [finding.text for finding in load_data_set("imdb_wiki").check(root)]


def test_people_without_a_name(written: tuple[Path, Catalogue]):
    root, _ = written
    names = loadmat(root / "imdb_crop" / "imdb.mat")["imdb"]["name"][0, 0]
    names[0, :] = [np.array([""])] * COUNT
    rewrite(root, name=names)
    assert len(set(read_imdb_wiki(root, ReadOptions()).person.tolist())) == 12  # by celeb_id
    rewrite(root, name=names, celeb_id=None)
    read = read_imdb_wiki(root, ReadOptions())
    assert (read.person == -1).all()
    assert sizes(read) == [28, 4, 4]


def test_both_files_are_read(written: tuple[Path, Catalogue], tmp_path: Path):
    root, catalogue = written
    other = write_imdb_wiki(tmp_path / "other", catalogue)
    (other / "imdb_crop").rename(root / "wiki_crop")
    struct = loadmat(root / "wiki_crop" / "imdb.mat")["imdb"]
    savemat(root / "wiki_crop" / "wiki.mat", {"wiki": struct})
    read = read_imdb_wiki(root, ReadOptions())
    assert len(read) == 2 * COUNT
    assert len(set(read.person.tolist())) == 12  # of the same names
    assert [note.split(":")[0] for note in read.notes] == ["imdb.mat", "wiki.mat"]


def test_files_that_are_none(written: tuple[Path, Catalogue]):
    root, _ = written
    path = root / "imdb_crop" / "imdb.mat"
    content = path.read_bytes()
    for broken, message in (
        (b"<html>", "web page saved"),
        (content[: len(content) // 2], "is not a whole MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400), "of version 7.3; expected"),
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=rf"imdb\.mat: .*{message}"):
            read_imdb_wiki(root, ReadOptions())
    path.unlink()
    with pytest.raises(DataError, match=r"neither imdb\.mat nor wiki\.mat"):
        read_imdb_wiki(root, ReadOptions())


def test_fields_that_are_missing_or_shorter(written: tuple[Path, Catalogue]):
    root, _ = written
    rewrite(root, dob=field(root, "dob")[:, :-1])
    with pytest.raises(DataError, match=r"its fields differ in length \(\[35, 36\]\)"):
        read_imdb_wiki(root, ReadOptions())
    rewrite(root, dob=None)
    with pytest.raises(DataError, match=r"imdb\.mat: has no structure imdb with the fields dob"):
        read_imdb_wiki(root, ReadOptions())


def test_missing_pictures_and_no_usable_row(written: tuple[Path, Catalogue]):
    root, _ = written
    next((root / "imdb_crop" / "00").iterdir()).unlink()
    with pytest.raises(DataError, match=r"1 of 36 pictures of imdb\.mat are not in .*: imdb_crop/00/nm"):
        read_imdb_wiki(root, ReadOptions())
    with pytest.warns(DataWarning, match="left out"):
        assert len(read_imdb_wiki(root, ReadOptions(missing="skip"))) == 35
    rewrite(root, face_score=np.full((1, COUNT), -np.inf))
    with pytest.raises(DataError, match=r"no row remains; imdb\.mat: of 36 rows, 0 remain; removed were 36 with"):
        read_imdb_wiki(root, ReadOptions())


def test_ages_must_be_known_to_be_written(tmp_path: Path):
    with pytest.raises(ValueError, match="needs an age for each picture"):
        write_imdb_wiki(tmp_path / "out", tiny_catalogue(tmp_path / "pictures", 2))
