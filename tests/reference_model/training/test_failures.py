"""Runs that are damaged, that cannot be written, or whose numbers are no longer finite: one line, exit status 2."""

from __future__ import annotations

import resource
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reference_model.engine.checkpoints import PROGRESS_KEY
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
