"""Evaluating a model that was trained earlier."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from reference_model.evaluate import main
from reference_model.evaluating import evaluate
from tests.reference_model.training.commands import train


def rewrite_table(source: Path, target: Path, order: list[int], names: dict[str, str] | None = None) -> None:
    """Copy a data set with its attribute columns in another order, or under other names."""
    shutil.copytree(source, target)
    table = target / "list_attr_celeba.txt"
    count, header, *rows = table.read_text().splitlines()
    labels = [(names or {}).get(name, name) for name in header.split()]
    lines = [count, " ".join(labels[place] for place in order) + " "]
    for row in rows:
        file, *values = row.split()
        lines.append(" ".join([file, *(values[place] for place in order)]))
    table.write_text("\n".join(lines) + "\n")


def evaluate_on(faces: Path, checkpoint: Path, *options: str | Path) -> int:
    arguments = ["--checkpoint", checkpoint, "--data", "celeba", "--root", faces, *options]
    return main([str(argument) for argument in arguments])


@pytest.mark.parametrize("loss", ["ce", "obrl"])
def test_evaluation_repeats_the_report_of_the_run(
    finished: dict[str, Path], faces: Path, loss: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate_on(faces, finished[loss], "--out", tmp_path / "again") == 0
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert again == json.loads((finished[loss] / "report.json").read_text())
    assert again["relation"]["statement"] in capsys.readouterr().out
    assert (tmp_path / "again" / "accuracy.png").exists()


def test_other_partition_and_checkpoint_file(finished: dict[str, Path], faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished["ce"], run)
    report, folder = evaluate(run / "checkpoints" / "last.ckpt", data="celeba", root=faces, split="train")
    assert folder == run / "evaluations" / "celeba-train"
    assert (report["split"], report["samples"]) == ("train", 96)


def test_another_order_of_the_attributes_is_mapped(finished: dict[str, Path], faces: Path, tmp_path: Path) -> None:
    rewrite_table(faces, tmp_path / "faces", list(range(39, -1, -1)))
    report, _ = evaluate(finished["ce"], data="celeba", root=tmp_path / "faces", out=tmp_path / "out")
    expected = json.loads((finished["ce"] / "report.json").read_text())
    assert report["attributes"].keys() == expected["attributes"].keys()
    assert report["mean_accuracy"] == expected["mean_accuracy"]


@pytest.mark.parametrize(
    ("order", "names", "message"),
    [(list(range(39)), None, "Young"), (list(range(40)), {"Male": "Tall"}, "Tall")],
)
def test_other_attributes_are_refused(
    finished: dict[str, Path],
    faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    order: list[int],
    names: dict[str, str] | None,
    message: str,
) -> None:
    rewrite_table(faces, tmp_path / "faces", order, names)
    assert evaluate_on(tmp_path / "faces", finished["ce"]) == 2
    assert message in capsys.readouterr().err


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(tmp_path), "--data", "synthetic"]) == 2
    assert "is no run" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_refused(
    finished: dict[str, Path], faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished["ce"], run)
    (run / "checkpoints" / "last.ckpt").write_bytes(b"PK\x03\x04 not a checkpoint")
    assert evaluate_on(faces, run) == 2
    assert "last.ckpt is not a checkpoint" in capsys.readouterr().err


def test_any_stage_is_evaluated_on_the_data_of_its_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colours = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}
    for name, colour in colours.items():
        for part, count in {"train": 12, "valid": 4, "test": 4}.items():
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (24, 24), tuple(value + number for value in colour)).save(folder / f"{number}.png")
    run = tmp_path / "run"
    small = ["--images.size=24", "--net.width=0.05", "--net.strides=[1,1]", "--train.epochs=2", "--train.batch_size=6"]
    place = ["--stage=race", "--data=image_folder", f"--root={tmp_path / 'pictures'}", f"--out={run}"]
    assert train(*place, *small, "--train.threads=1") == 0
    assert main(["--checkpoint", str(run), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "report.json").read_text() == (run / "report.json").read_text()
    assert main(["--checkpoint", str(run), "--split", "valid"]) == 0
    assert "valid partition, 12 pictures" in capsys.readouterr().out
