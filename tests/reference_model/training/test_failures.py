"""Runs that are damaged, that cannot be written, or whose numbers are no longer finite: one line, exit status 2."""

from __future__ import annotations

import json
import resource
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reference_model.engine.checkpoints import PROGRESS_KEY
from reference_model.nets import FaceNet
from reference_model.nets.weights import save_weights
from tests.reference_model.training.commands import tiny_arguments, train
from tests.reference_model.training.test_resume import assert_same_run


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def reshape(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["state_dict"]["model.attributes.output_bias"] = torch.zeros(3)
    torch.save(content, path)


def forget_progress(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    del content[PROGRESS_KEY]
    torch.save(content, path)


@pytest.mark.parametrize("damage", [cut, empty, reshape, forget_progress])
def test_a_damaged_checkpoint_is_named_with_the_remedy(
    damage: Callable[[Path], None], finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a run"
    shutil.copytree(finished["ce"], out)
    (out / "report.json").unlink()
    damage(out / "checkpoints" / "last.ckpt")
    assert train("--resume", out) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert "last.ckpt" in message
    assert "Delete this file" in message
    assert f"--resume {shlex.quote(str(out))}" in message


def test_damaged_figures_are_named(
    finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished["ce"], out)
    (out / "report.json").unlink()
    (out / "metrics.csv").write_text("epoch,loss\n1,2\n")
    assert train("--resume", out) == 2
    assert "metrics.csv is damaged" in capsys.readouterr().err


def test_a_full_disk_stops_the_run_which_goes_on_later(
    faces: Path, finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))  # no checkpoint is smaller
    try:
        assert train(*tiny_arguments(faces, out), "--loss", "obrl") == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    message = capsys.readouterr().err
    assert "last.ckpt cannot be written" in message
    assert f"--resume {out}" in message
    assert message.count("\n") == 1
    assert not list(out.rglob("*.tmp"))
    (out / "metrics.csv.1.tmp").write_text("of a process that was killed")
    assert train("--resume", out) == 0
    assert not list(out.rglob("*.tmp"))
    assert_same_run(out, finished["obrl"])


def test_a_loss_that_is_not_finite_stops_the_run(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(*tiny_arguments(faces, out), "--optim.lr=1e30", "--train.checkpoint_every=1") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: step ")
    assert "not finite" in message
    assert "smaller optim.lr" in message
    assert not (out / "report.json").exists()
    content = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in content["state_dict"].values() if torch.is_tensor(tensor))


@pytest.mark.parametrize("part", ["valid", "test"])
def test_an_empty_partition_shows_before_the_run_folder_exists(
    part: str, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = tmp_path / "faces"
    shutil.copytree(faces, fewer)
    lists = fewer / "list_eval_partition.txt"
    number = {"valid": "1", "test": "2"}[part]
    lists.write_text("\n".join(line.replace(f" {number}", " 0") for line in lists.read_text().splitlines()) + "\n")
    assert train(*tiny_arguments(fewer, tmp_path / "run")) == 2
    assert f"no pictures for the stage attributes in the partition {part}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_scheduler_starts_no_processes(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "train"}.items():
        monkeypatch.setenv(name, value)
    assert train(*tiny_arguments(faces, tmp_path / "run"), "--train.epochs=1", "--loss=ce") == 0
    assert "Settings that differ from the preset small" in (tmp_path / "run" / "report.md").read_text()


def test_what_the_data_lack_is_a_line_on_the_console_and_a_note_of_the_report(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(faces, tmp_path / "faces")
    (tmp_path / "faces" / "img_align_celeba" / "000003.jpg").unlink()
    arguments = [*tiny_arguments(tmp_path / "faces", tmp_path / "run"), "--loss=ce", "--train.epochs=1"]
    assert train(*arguments, "--images.missing=skip") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "000003.jpg" in line]
    assert len(lines) == 1
    text = lines[0].removeprefix("warning: ")
    assert text.startswith("1 of 160 pictures of ")
    assert text.endswith("000003.jpg; their rows are left out")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["notes"] == [text]
    assert (tmp_path / "run" / "report.md").read_text().count(text) == 1


def test_a_partition_without_pictures_is_named_with_a_remedy(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(faces, tmp_path / "faces")
    path = next((tmp_path / "faces").rglob("list_eval_partition.txt"))
    path.write_text(path.read_text().replace(".jpg 1", ".jpg 0"))
    assert train(*tiny_arguments(tmp_path / "faces", tmp_path / "run")) == 2
    message = capsys.readouterr().err
    assert "no pictures for the stage attributes in the partition valid; it has 128 train, 0 valid, 32 test" in message
    assert "let list_eval_partition name pictures of each partition" in message


@pytest.mark.parametrize("stage", ["age", "attributes"])
def test_weights_that_do_not_fit_are_refused_before_anything_is_drawn(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = FaceNet(width=0.1, depth=0, strides=(1, 1), norm="bn")
    save_weights(tmp_path / "net.safetensors", net, {})
    setting = "init" if stage == "age" else "net_1"
    place = [
        f"--root={tmp_path / 'drawn'}",
        f"--out={tmp_path / 'run'}",
        f"--weights.{setting}={tmp_path / 'net.safetensors'}",
    ]
    assert train(f"--stage={stage}", "--data=synthetic", *place) == 2
    output = capsys.readouterr()
    assert "do not fit" in output.err
    assert "Preparing" not in output.out
    assert not (tmp_path / "drawn").exists()
