"""``python -m reference_model.data check``: what it says, its exit status, and what it imports."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from reference_model.data.__main__ import main
from reference_model.data.catalogue import Catalogue, YearLabels
from reference_model.data.check import check_people, check_pictures
from reference_model.data.errors import DataError
from reference_model.data.pictures import PictureBatches
from reference_model.data.registry import MODULES, ReadOptions, load_data_set
from reference_model.data.sets.casia import read_casia
from reference_model.data.synthetic.pool_formats import FORMATS
from reference_model.data.writers.casia import write_casia
from reference_model.data.writers.fairface import write_fairface
from tests.reference_model.data.sets.tiny import picture_bytes, tiny_catalogue, tiny_pictures
from tests.reference_model.test_startup import run

SETS = "reference_model.data.sets"


@pytest.fixture
def casia(tmp_path: Path) -> Path:
    catalogue = tiny_catalogue(tmp_path / "pictures", 100, person=np.arange(100) // 10)
    return write_casia(tmp_path / "casia", catalogue)


def spoil(root: Path, count: int) -> None:
    """Replace some pictures; they are links, so they are removed first."""
    for path in sorted(root.rglob("*.jpg"))[:count]:
        path.unlink()
        path.write_bytes(b"<html>")


def test_a_data_set_without_faults(casia: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", "casia", str(casia)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"CASIA-WebFace in {casia}"
    assert "  note: 100 pictures: 72 train, 8 valid, 20 test" in lines
    assert "  note: 10 people" in lines
    assert "  note: all 100 pictures were decoded, each can be used" in lines
    assert lines[-1] == "nothing is wrong"


@pytest.mark.parametrize(("broken", "status"), [(2, 1), (6, 2)])
def test_unusable_pictures_are_counted(casia: Path, capsys: pytest.CaptureFixture[str], broken: int, status: int):
    spoil(casia, broken)
    assert main(["check", "casia", str(casia), "--pictures", "all"]) == status
    output = capsys.readouterr().out
    assert f"all 100 pictures were decoded, and {broken} cannot be used ({broken}.0%): " in output
    assert f"{casia / '0000000' / '001.jpg'}: not a readable picture (it is a web page" in output
    assert re.search("training passes over them" if status == 1 else "training stops above 5%", output)


@pytest.mark.parametrize("broken", [2, 6])
def test_training_treats_them_as_the_check_says(casia: Path, broken: int):
    spoil(casia, broken)
    catalogue = read_casia(casia, ReadOptions())
    targets = np.arange(len(catalogue))
    if broken == 6:
        with pytest.raises(DataError, match=r"6 of 100 pictures cannot be used, more than the 5\.0%"):
            PictureBatches(catalogue.pictures, targets, 16)
        return
    batches = PictureBatches(catalogue.pictures, targets, 16)
    assert [unusable.row for unusable in batches.unusable] == [0, 1]
    assert batches.batch(np.arange(100))[0].shape == (100, 3, 16, 16)


def test_a_sample_is_decoded(casia: Path, capsys: pytest.CaptureFixture[str]):
    spoil(casia, 1)
    assert main(["check", "casia", str(casia), "--pictures", "10"]) == 2
    assert "10 pictures of 100 were decoded, and 1 cannot be used (10.0%)" in capsys.readouterr().out


def test_another_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", "casia", str(tmp_path / "nowhere")]) == 2
    output = capsys.readouterr().out
    assert "error: " in output
    assert "there is no such folder: give the folder that holds the data set as ROOT" in output
    assert "--" not in output
    assert "note: expected is a folder of seven digits for each person" in output
    assert output.endswith("cannot be trained on: 1 error\n")


def test_missing_pictures_and_a_partition_without_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ages = {"age": YearLabels(np.full(40, 24.5, dtype=np.float32))}
    catalogue = tiny_catalogue(tmp_path / "pictures", 40, labels=ages)
    root = write_fairface(tmp_path / "fairface", catalogue)
    (root / "train" / "3.jpg").unlink()
    assert main(["check", "fairface", str(root)]) == 1
    assert "training stops unless --images.missing skip leaves out their rows" in capsys.readouterr().out
    for path in (root / "val").iterdir():
        path.unlink()
    assert main(["check", "fairface", str(root)]) == 2
    output = capsys.readouterr().out
    assert "error: no picture is left in the partition test; training needs some in each: download" in output


@pytest.mark.parametrize("name", [name for name in MODULES if find_spec(f"{SETS}.{MODULES[name]}")])
def test_every_data_set_says_so_of_an_empty_folder(name: str, tmp_path: Path):
    data_set = load_data_set(name)
    assert data_set.name == name
    assert data_set.layout
    assert data_set.terms.endswith(".")
    for root in (tmp_path, tmp_path / "nowhere"):
        findings = data_set.check(root)
        assert [finding.level for finding in findings if finding.level != "note"] == ["error"]
        assert str(root) in findings[0].text


def test_the_data_set_that_a_folder_holds_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "lfw_att_40.mat").touch()
    assert main(["check", "celeba", str(tmp_path)]) == 2
    assert "note: it looks like the data set lfwa" in capsys.readouterr().out


def test_the_check_speaks_of_its_own_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "ClassName.txt").write_text("/a/abbey\n")
    assert main(["check", "image_folder", str(tmp_path)]) == 2
    output = capsys.readouterr().out
    assert "it looks like the data set sun397: check it by this name" in output
    assert "--" not in output


def test_people_in_two_partitions_are_counted(tmp_path: Path):
    split = np.array(["train", "valid", "test", "train"])
    ages = {"age": YearLabels(np.zeros(4, dtype=np.float32))}
    catalogue = Catalogue("x", tiny_pictures(tmp_path, 4), ages, split, np.array([1, 1, 2, -1]))
    (finding,) = check_people(catalogue)
    assert finding.level == "warning"
    assert "1 people are in more than one partition" in finding.text
    assert check_people(catalogue.rows(np.array([0, 2, 3]))) == []


def test_pictures_that_are_missing_are_unusable(tmp_path: Path):
    pictures = tiny_pictures(tmp_path, 4)
    (tmp_path / "0002.jpg").unlink()
    (tmp_path / "0001.jpg").unlink()
    (tmp_path / "0001.jpg").write_bytes(picture_bytes(1)[:200])
    finding = check_pictures(Catalogue("x", pictures, {}, np.full(4, "train")), None)
    assert finding.level == "error"
    assert "0002.jpg: no such picture file" in finding.text
    assert "0001.jpg: not a readable picture" in finding.text


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["check", "--help"], 0),
        (["synthesize", "--help"], 0),
        (["check", "nope", "x"], 2),
        (["check", "casia", "x", "--pictures", "0"], 2),
        (["check", "casia", "/nowhere"], 2),
        ([], 2),
    ],
)
def test_it_answers_without_torch(arguments: list[str], status: int):
    assert run("reference_model.data.__main__", arguments).endswith(f"status {status}, imported []\n")


def test_everything_is_written_from_one_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sizes = "--people 6 --valid-people 4 --test-people 4 --pictures-per-person 4 --objects 2 --scenes 2"
    command = ["synthesize", "--out", str(tmp_path / "pool"), "--workers", "1", *sizes.split()]
    assert main(command) == 0
    assert f"in {tmp_path / 'pool'}: " in capsys.readouterr().out
    for name in FORMATS:
        assert main(["check", name, str(tmp_path / "pool" / name)]) == 0, capsys.readouterr().out
    assert main([*command, "--seed", "5"]) == 2
    assert "other values of seed" in capsys.readouterr().err


def test_checking_pictures_needs_no_torch(casia: Path):
    assert run("reference_model.data.__main__", ["check", "casia", str(casia)]).endswith("status 0, imported []\n")
