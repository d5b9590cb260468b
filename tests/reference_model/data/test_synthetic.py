"""Sets of synthetic faces on disk."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.data.errors import DataError
from reference_model.data.ising import load_ising
from reference_model.data.sets.celeba import read_celeba_labels
from reference_model.data.synthetic import Parameters, write_synthetic_faces
from reference_model.data.synthetic.__main__ import main
from reference_model.data.synthetic.plan import make_plan
from reference_model.data.synthetic.writer import MARKER

SMALL = {"num_train": 4, "num_valid": 2, "num_test": 2}


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_reader_reads_what_was_planned(synthetic_root: Path) -> None:
    table = read_celeba_labels(synthetic_root)  # any warning, such as a person in two partitions, is an error here
    plan = make_plan(Parameters(40, 10, 10, seed=1))
    assert table.labels["attributes"].names == CELEBA_ATTRIBUTES
    np.testing.assert_array_equal(table.labels["attributes"].values, plan.written)
    assert [len(table.subset(split)) for split in ("train", "valid", "test")] == [40, 10, 10]
    assert table.person is not None
    np.testing.assert_array_equal(table.person, plan.person)


def test_the_files_have_celebas_form(synthetic_root: Path) -> None:
    attributes = (synthetic_root / "list_attr_celeba.txt").read_bytes().split(b"\n")
    assert attributes[0] == b"60"
    assert attributes[1] == " ".join(CELEBA_ATTRIBUTES).encode() + b" "
    assert attributes[2].startswith((b"000001.jpg -1", b"000001.jpg  1"))
    assert len(attributes[2]) == len("000001.jpg") + 3 * 40
    assert (synthetic_root / "identity_CelebA.txt").read_bytes().count(b"\r\n") == 60
    assert (synthetic_root / "list_eval_partition.txt").read_bytes().startswith(b"000001.jpg 0\n")


def test_files_depend_on_the_parameters_alone_not_on_the_workers(tmp_path: Path) -> None:
    arguments = {"num_train": 90, "num_valid": 10, "num_test": 20, "seed": 4}
    first = write_synthetic_faces(tmp_path / "one", **arguments, workers=1)
    second = write_synthetic_faces(tmp_path / "two", **arguments, workers=2)
    assert contents(first) == contents(second)
    other = write_synthetic_faces(tmp_path / "three", **{**SMALL, "seed": 5}, workers=1)
    assert contents(other)["img_align_celeba/000001.jpg"] != contents(first)["img_align_celeba/000001.jpg"]


def test_an_empty_folder_is_filled_and_a_finished_set_is_reused_only_for_the_same_parameters(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    root = write_synthetic_faces(tmp_path / "faces", **SMALL)
    picture = root / "img_align_celeba" / "000001.jpg"
    stamp, before = picture.stat().st_mtime_ns, contents(root)
    assert write_synthetic_faces(root, **SMALL, strength=1) == root
    assert picture.stat().st_mtime_ns == stamp
    with pytest.raises(DataError, match=r"drawn with strength 1\.0 instead of 0\.5: name another folder"):
        write_synthetic_faces(root, **SMALL, strength=0.5)
    assert contents(root) == before
    write_synthetic_faces(root, **SMALL, strength=0.5, overwrite=True)
    assert json.loads((root / MARKER).read_text())["strength"] == 0.5
    assert contents(root)["img_align_celeba/000001.jpg"] != before["img_align_celeba/000001.jpg"]
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_not_a_finished_set_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    half = write_synthetic_faces(tmp_path / "half", **SMALL)
    (half / MARKER).unlink()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for root in (half, mine):
        before = contents(root)
        with pytest.raises(DataError, match="exists and is not a finished set of synthetic faces"):
            write_synthetic_faces(root, **SMALL, overwrite=overwrite)
        assert contents(root) == before


def test_an_interrupted_writer_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reference_model.data.synthetic.writer.write_celeba", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_synthetic_faces(tmp_path / "faces", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_another_process_that_was_faster_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reference_model.data.synthetic import writer

    root, write = tmp_path / "faces", writer.write_celeba

    def overtaken(folder: Path, *arguments: object) -> None:
        write(folder, *arguments)
        if not root.exists():
            monkeypatch.setattr(writer, "write_celeba", write)
            write_synthetic_faces(root, **SMALL)

    monkeypatch.setattr(writer, "write_celeba", overtaken)
    write_synthetic_faces(root, **SMALL)
    assert len(read_celeba_labels(root)) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


class TestPlan:
    def test_people_are_in_one_partition_and_of_one_sex(self) -> None:
        plan = make_plan(Parameters(600, 100, 200, seed=2, pictures_per_person=6))
        male = plan.drawn[:, CELEBA_ATTRIBUTES.index("Male")]
        people = np.unique(plan.person)
        np.testing.assert_array_equal(people, np.arange(1, len(people) + 1))
        counts = np.bincount(plan.person)[1:]
        assert (counts.max(), counts.min()) == (6, 1)
        for person in people:
            rows = plan.person == person
            assert len(set(plan.split[rows])) == len(set(male[rows])) == 1

    def test_labels_follow_celebas_rates(self) -> None:
        plan = make_plan(Parameters(3000, 0, 0, seed=2))
        model = load_ising()
        errors = plan.drawn.mean(axis=0) - model.rates
        assert np.abs(errors).max() < 0.05  # five standard errors of 3,000 draws
        np.testing.assert_array_equal(plan.drawn, plan.written)

    def test_label_noise_flips_that_share_of_the_written_labels(self) -> None:
        clean, noisy = (make_plan(Parameters(2000, 0, 0, seed=2, label_noise=noise)) for noise in (0.0, 0.1))
        np.testing.assert_array_equal(clean.drawn, noisy.drawn)
        np.testing.assert_array_equal(clean.person, noisy.person)
        flipped = (noisy.drawn != noisy.written).mean(axis=0)
        assert np.abs(flipped - 0.1).max() < 0.035  # five standard errors of 2,000 draws

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"num_train": -1}, "num_train must be 0 or more, got -1"),
            ({"num_train": 0, "num_valid": 0, "num_test": 0}, "there is nothing to draw"),
            ({"seed": -1}, "seed must be 0 or more, got -1"),
            ({"strength": 1.1}, r"strength must be in \[0, 1\], got 1.1"),
            ({"label_noise": 0.6}, r"label_noise must be in \[0, 0.5\], got 0.6"),
            ({"pictures_per_person": 0}, "pictures_per_person must be at least 1, got 0"),
            ({"identity_strength": 2.0}, r"identity_strength must be in \[0, 1\], got 2.0"),
        ],
    )
    def test_bad_parameters(self, tmp_path: Path, changes: dict[str, float], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            write_synthetic_faces(tmp_path / "faces", **{**SMALL, **changes})
        assert list(tmp_path.iterdir()) == []


class TestCommandLine:
    def test_writes_a_set_and_says_so(self, tmp_path: Path) -> None:
        command = [sys.executable, "-W", "error", "-m", "reference_model.data.synthetic"]
        arguments = ["--root", str(tmp_path / "faces"), "--num-train", "3", "--num-valid", "1", "--num-test", "1"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("5 faces in ")
        assert done.stderr == ""
        assert len(read_celeba_labels(tmp_path / "faces")) == 5

    def test_errors_are_one_line_and_a_status(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--root", str(tmp_path / "faces"), "--strength", "2"]) == 1
        assert capsys.readouterr().err == "error: strength must be in [0, 1], got 2.0\n"
