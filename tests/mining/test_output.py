"""Results appear whole or not at all."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from obrl.mining import MiningError
from obrl.mining.output import check_file, check_folder, file_of_results, folder_of_results
from tests.project.helpers import ROOT


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def write_folder(path, text="{}"):
    with folder_of_results(path) as part:
        (part / "run.json").write_text(text)


def test_a_folder_takes_its_name_at_the_end(tmp_path):
    folder = tmp_path / "deep" / "mined"
    with folder_of_results(folder) as part:
        (part / "run.json").write_text("{}")
        assert not folder.exists()
    assert names_in(folder) == ["run.json"]
    assert names_in(folder.parent) == ["mined"]


@pytest.mark.parametrize("path", [".", ".."])
def test_the_folder_one_is_in_can_be_written(tmp_path, monkeypatch, path):
    write_folder(tmp_path / "mined", "old")
    (tmp_path / "mined" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "mined" if path == "." else tmp_path / "mined" / "below")
    write_folder(path, "new")
    assert (tmp_path / "mined" / "run.json").read_text() == "new" and names_in(tmp_path) == ["mined"]
    assert names_in(tmp_path / "mined") == ["below", "run.json"]


def test_earlier_results_are_replaced_and_other_files_stay(tmp_path):
    write_folder(tmp_path / "mined", "old")
    (tmp_path / "mined" / "start.npz").write_text("x")  # `obrl start` writes it there
    write_folder(tmp_path / "mined", "new")
    assert names_in(tmp_path / "mined") == ["run.json", "start.npz"]
    assert (tmp_path / "mined" / "run.json").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_an_error_leaves_what_was_there(tmp_path, error):
    write_folder(tmp_path / "mined", "old")
    with pytest.raises(type(error)), folder_of_results(tmp_path / "mined") as part:
        (part / "run.json").write_text("half")
        raise error
    assert names_in(tmp_path) == ["mined"]
    assert (tmp_path / "mined" / "run.json").read_text() == "old"


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    message = "mined: the disk is full; nothing was written there"
    with pytest.raises(MiningError, match=message), folder_of_results(tmp_path / "mined") as part:
        (part / "run.json").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names_in(tmp_path) == []


def test_a_remainder_of_a_killed_run_is_removed(tmp_path):
    (tmp_path / "mined.part").mkdir()
    (tmp_path / "mined.part" / "old").write_text("x")
    write_folder(tmp_path / "mined")
    assert names_in(tmp_path) == ["mined"]


def test_only_results_are_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("x")
    with pytest.raises(MiningError, match="thesis: the folder holds files that are no results of obrl"):
        check_folder(tmp_path / "thesis")
    (tmp_path / "file").write_text("x")
    with pytest.raises(MiningError, match="file: expected a folder for the results, got a file"):
        check_folder(tmp_path / "file")
    with pytest.raises(MiningError, match=r"nothing can be written there, for .*file is a file"):
        check_folder(tmp_path / "file" / "mined")
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty")


@pytest.mark.parametrize("check", [check_folder, check_file])
def test_a_folder_that_is_not_writable_is_named(tmp_path, monkeypatch, check):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(MiningError, match=f"the folder {tmp_path} is not writable"):
        check(tmp_path / "mined")


def test_a_file_takes_its_name_at_the_end(tmp_path):
    file = tmp_path / "new" / "map.png"
    with file_of_results(file) as part:
        assert part.suffix == ".png"
        part.write_text("whole")
        assert not file.exists()
    assert names_in(file.parent) == ["map.png"]
    with pytest.raises(ValueError, match="bad"), file_of_results(file) as part:
        part.write_text("half")
        raise ValueError("bad")
    assert (names_in(file.parent), file.read_text()) == (["map.png"], "whole")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(MiningError, match="expected a file for the results, got a folder; name a file with --png"):
        check_file(tmp_path, "--png")


# The system refuses to write more, as a full disk does.
LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes}, {bytes}))
from obrl.mining.cli import main
print(main(["mine", {table!r}, "--out", {out!r}]))
"""


@pytest.mark.parametrize("size", [10, 2_000, 8_000])
def test_mining_onto_a_disk_that_fills_up_leaves_nothing(tmp_path, size):
    rows = np.random.default_rng(0).integers(0, 2, (60, 30))
    header = ",".join(f"label{k}" for k in range(30))
    table = tmp_path / "t.csv"
    table.write_text(header + "\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
    program = LIMITED.format(bytes=size, table=str(table), out=str(tmp_path / "mined"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "2"
    assert done.stderr == f"obrl: error: {tmp_path / 'mined'}: file too large; nothing was written there\n"
    assert names_in(tmp_path) == ["t.csv"]
