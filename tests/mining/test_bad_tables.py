"""Bad tables through the command: one line that says where, what and how to mend it, status 2, and no output."""

import pytest

from obrl.mining.cli import main
from tests.mining.bad_tables import BAD, GOOD, LABELS_ONLY


def write(folder, files):
    for name, content in files.items():
        data = content.encode("utf-8") if isinstance(content, str) else content
        (folder / name).write_bytes(data)


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def refused(capsys, arguments):
    """The one line of the error."""
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("obrl: error: ")
    assert streams.err.count("\n") == 1
    return streams.err


def test_there_are_forty():
    assert len(BAD) >= 40


@pytest.mark.parametrize("fault", list(BAD))
def test_a_bad_table_is_one_line(tmp_path, monkeypatch, capsys, fault):
    files, extra, parts = BAD[fault]
    write(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    tables = [name for name in files if name != "groups.txt"]
    line = refused(capsys, ["mine", *tables, *extra, "--out", "mined"])
    for part in parts:
        assert part in line
    assert len(line) < 600
    assert names_in(tmp_path) == sorted(files)


@pytest.mark.parametrize("table", ["nothing.csv", "empty", "part-*.csv"])
def test_a_table_that_is_not_there_is_named(tmp_path, monkeypatch, capsys, table):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert table in refused(capsys, ["mine", table, "--out", "mined"])
    assert names_in(tmp_path) == ["empty"]


@pytest.mark.parametrize("command", ["pairs", "thresholds"])
def test_a_folder_without_a_relation_is_named(tmp_path, capsys, command):
    assert f"{tmp_path}: the folder holds no relation.npz" in refused(capsys, [command, str(tmp_path)])


def test_a_path_that_is_a_file_and_one_that_is_a_folder(tmp_path, monkeypatch, capsys):
    write(tmp_path, {"t.csv": GOOD, "taken": "x"})
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "taken: expected a folder" in refused(capsys, ["mine", "t.csv", "--out", "taken"])
    assert "folder: expected a file" in refused(capsys, ["mine", "t.csv", "--png", "folder"])
    assert (tmp_path / "taken").read_text() == "x"


def test_a_label_named_like_markup_is_a_name(tmp_path, monkeypatch, capsys):
    write(tmp_path, {"t.csv": LABELS_ONLY.replace("a,b", "<script>,b") + "0,0\n" * 9})
    monkeypatch.chdir(tmp_path)
    assert main(["mine", "t.csv", "--out", "mined", "--png", "map.png"]) == 0
    assert (tmp_path / "mined" / "labels.csv").read_text().splitlines()[1].startswith("<script>,12,2,")
