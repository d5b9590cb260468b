"""MXNet's record files: written, broken and read."""

import io
import pickle
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import Catalogue
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.recordio import read_recordio
from reference_model.data.sets.records import MAGIC_BYTES, RecordFile, read_index
from reference_model.data.writers.recordio import pack, write_record, write_recordio
from tests.reference_model.data.sets.tiny import describe_rows, picture_bytes, tiny_catalogue

PERSON = np.array([45, 45, 45, 99, 45, 7, 99] * 5)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    catalogue = tiny_catalogue(tmp_path / "pictures", len(PERSON), person=PERSON)
    return write_recordio(tmp_path / "records", catalogue), catalogue


def write_records(root: Path, payloads: list[bytes], *, first: int = 0) -> Path:
    """A record file of some payloads."""
    root.mkdir()
    stream, lines = io.BytesIO(), []
    for key, payload in enumerate(payloads, start=first):
        lines.append(f"{key}\t{stream.tell()}\n")
        write_record(stream, payload)
    (root / "train.rec").write_bytes(stream.getvalue())
    (root / "train.idx").write_text("".join(lines))
    return root


def test_what_is_written_is_read(written: tuple[Path, Catalogue]):
    root, catalogue = written
    read = read_recordio(root, ReadOptions())
    expected = {key: said["person"] for key, said in describe_rows(catalogue).items()}
    assert {key: said["person"] for key, said in describe_rows(read).items()} == expected
    assert set(read.person.tolist()) == {0, 1, 2}
    assert (root / "property").read_text() == "3,12,12"
    assert read.pictures.name(0) == "train.rec/1"
    assert len(read_recordio(root / "train.rec", ReadOptions())) == len(PERSON)
    assert set(read_recordio(root, ReadOptions(classes=2)).person.tolist()) == {1, 2}


def test_the_bytes_are_those_of_the_format(tmp_path: Path):
    root = write_records(tmp_path / "r", [pack(3.0, b"abcde", key=7)], first=1)
    expected = struct.pack("<II", 0xCED7230A, 29) + struct.pack("<IfQQ", 0, 3.0, 7, 0) + b"abcde" + bytes(3)
    assert (root / "train.rec").read_bytes() == expected


@pytest.mark.parametrize(
    "content",
    [
        MAGIC_BYTES,
        b"1234" + MAGIC_BYTES + b"56" + MAGIC_BYTES,  # the second is not at a multiple of four
        MAGIC_BYTES * 3 + b"x",
        b"abcd" * 3 + MAGIC_BYTES + b"abcd" + MAGIC_BYTES + b"a",
    ],
)
def test_records_of_several_parts(tmp_path: Path, content: bytes):
    root = write_records(tmp_path / "r", [pack(1.0, content, key=1), pack((4, 9), content, key=2)])
    data = (root / "train.rec").read_bytes()
    file = RecordFile(root / "train.rec")
    keys, offsets = read_index(root / "train.idx")
    assert data[7] >> 5 == 1  # the first part of several
    assert file.record(0, 0).content == content
    second = file.record(int(keys[1]), int(offsets[1]))
    assert (second.labels, second.several, second.content) == ((4, 9), True, content)
    assert file.labels(1, int(offsets[1])) == (4, 9)
    middle = RecordFile(root / "train.rec")
    with pytest.raises(DataError, match=r"record 5 at byte \d+: its parts are out of order"):
        middle.record(5, data.index(MAGIC_BYTES, 8))


def test_every_record_is_a_picture_where_the_first_says_nothing(tmp_path: Path):
    payloads = [pack(float(number // 2), picture_bytes(number), key=number) for number in range(6)]
    read = read_recordio(write_records(tmp_path / "r", payloads), ReadOptions())
    assert sorted(read.person.tolist()) == [0, 0, 1, 1, 2, 2]
    payloads = [pack((float(number // 2), 1.0), picture_bytes(number), key=number) for number in range(1, 6)]
    read = read_recordio(write_records(tmp_path / "s", payloads, first=1), ReadOptions())
    assert sorted(read.person.tolist()) == [0, 1, 1, 2, 2]


def test_labels_are_stored_until_the_file_changes(written: tuple[Path, Catalogue], monkeypatch: pytest.MonkeyPatch):
    root, _ = written
    first = read_recordio(root, ReadOptions())
    with monkeypatch.context() as context:
        context.setattr(RecordFile, "labels", None)  # calling it would fail
        np.testing.assert_array_equal(read_recordio(root, ReadOptions()).person, first.person)
    write_recordio(root, tiny_catalogue(root.parent / "other", 8, person=np.arange(8) % 4))
    assert len(read_recordio(root, ReadOptions())) == 8


def test_threads_and_other_processes_read_at_once(written: tuple[Path, Catalogue]):
    pictures = read_recordio(written[0], ReadOptions()).pictures
    expected = [pictures.read(row) for row in range(len(pictures))]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(pictures.read, range(len(pictures)))) == expected
    again = pickle.loads(pickle.dumps(pictures))  # noqa: S301
    assert again.read(3) == expected[3]


def test_a_file_without_its_index(written: tuple[Path, Catalogue]):
    (written[0] / "train.idx").unlink()
    (finding,) = [one for one in load_data_set("recordio").check(written[0]) if one.level == "error"]
    assert "train.rec: its index train.idx is missing: copy it" in finding.text


def test_a_wrong_magic_number_names_record_and_byte(written: tuple[Path, Catalogue]):
    root, _ = written
    _, offsets = read_index(root / "train.idx")
    data = bytearray((root / "train.rec").read_bytes())
    data[offsets[4]] ^= 0xFF
    (root / "train.rec").write_bytes(data)
    with pytest.raises(DataError, match=rf"train\.rec, record 4 at byte {offsets[4]}: magic number 0xced723f5 instead"):
        read_recordio(root, ReadOptions())


def test_a_cut_file_names_record_and_byte(written: tuple[Path, Catalogue]):
    root, _ = written
    _, offsets = read_index(root / "train.idx")
    data = (root / "train.rec").read_bytes()
    (root / "train.rec").write_bytes(data[: offsets[9] + 10])
    with pytest.raises(DataError, match=rf"record 9 at byte {offsets[9]}: the file ends within it; it is cut off"):
        read_recordio(root, ReadOptions())
    (root / "train.rec").write_bytes(data[: offsets[35] + 60])
    read = read_recordio(root, ReadOptions())  # labels are whole, the last picture is not
    row = next(row for row in range(len(read)) if read.pictures.name(row).endswith("/35"))
    with pytest.raises(DataError, match=rf"record 35 at byte {offsets[35]}: the file ends within it"):
        read.pictures.read(row)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"0\t0\n1\tx\n", r"train\.idx, line 2: expected a key and an offset, got '1\\tx'"),
        (b"0\t0\n1\n", r"train\.idx, line 2: expected a key"),
        (b"<html>", r"train\.idx: it is a web page"),
        (b"", r"train\.idx: it is empty"),
        (b"0\t0\n", r"train\.idx: lists 0 pictures, but record 0 of train\.rec says 35"),
    ],
)
def test_an_index_that_is_none(written: tuple[Path, Catalogue], content: bytes, message: str):
    (written[0] / "train.idx").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_recordio(written[0], ReadOptions())


def test_files_that_are_no_record_file(written: tuple[Path, Catalogue], tmp_path: Path):
    root, _ = written
    (root / "train.rec").write_bytes(b"<!DOCTYPE html>" * 400)
    with pytest.raises(DataError, match=r"record 0 at byte 0: magic number .*web page"):
        read_recordio(root, ReadOptions())
    (root / "train.rec").rename(root / "a.rec")
    (root / "b.rec").touch()
    with pytest.raises(DataError, match=r"holds a\.rec, b\.rec; give one of them"):
        read_recordio(root, ReadOptions())
    with pytest.raises(DataError, match=r"no file ending in \.rec there; it holds .*\.jpg"):
        read_recordio(tmp_path / "pictures", ReadOptions())


def test_records_too_short_or_without_a_person(tmp_path: Path):
    root = write_records(tmp_path / "r", [b"short", b"short"])
    with pytest.raises(DataError, match=r"record 0 at byte 0: is too short for its header"):
        read_recordio(root, ReadOptions())
    root = write_records(tmp_path / "s", [pack(0.0, b"x", key=0), pack(1.5, b"x", key=1)])
    with pytest.raises(DataError, match=r"record 1 at byte \d+: its label 1.5 is no person's number"):
        read_recordio(root, ReadOptions())
    root = write_records(tmp_path / "t", [pack(0.0, b"", key=0), pack(1.0, b"x", key=1), pack(1.0, b"x", key=2)])
    read = read_recordio(root, ReadOptions())
    with pytest.raises(DataError, match="record 0 at byte 0: holds no picture"):
        read.pictures.read(0)


def test_another_number_of_people_is_warned_of(written: tuple[Path, Catalogue]):
    (written[0] / "property").write_text("85742,112,112")
    with pytest.warns(DataWarning, match="says '85742,112,112', but the records show 3 people"):
        read_recordio(written[0], ReadOptions())
