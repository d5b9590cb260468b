"""Two processes train what one does with the same batches."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from obrl import OnlineBatchRelation
from reference_model.engine.processes import check_launcher
from tests.reference_model.compare import assert_rounded
from tests.reference_model.training.commands import tiny_arguments, train
from tests.reference_model.training.test_resume import REPOSITORY

EQUAL_IN_ALL = ("--net.dropout=0", "--net.norm=none", "--train.accumulate=2", "--optim.kind=sgd")
TERMS = 10_000  # roundings that a weight has seen: the pixels of a batch, in every step


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, "-m", "reference_model.train", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_two_processes_train_what_one_does(faces: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    shutil.copytree(faces, tmp_path / "faces")
    for name in ("000004.jpg", "000051.jpg"):  # each met by one of the processes, in some epoch
        (tmp_path / "faces" / "img_align_celeba" / name).write_bytes(b"<html>")
    arguments = [*EQUAL_IN_ALL, "--images.memory_mb=0"]
    assert train(*tiny_arguments(tmp_path / "faces", one), *arguments) == 0
    done = torchrun(*tiny_arguments(tmp_path / "faces", two), *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Everything is in") == 1
    assert [row["step"] for row in rows(two)] == [row["step"] for row in rows(one)] == ["3", "6", "9"]
    relations = [OnlineBatchRelation.load(run / "relation.npz") for run in (one, two)]
    np.testing.assert_array_equal(relations[0].relation_weight, relations[1].relation_weight)
    np.testing.assert_array_equal(relations[0].relation, relations[1].relation)
    theirs = load_file(two / "model.safetensors")
    for name, tensor in load_file(one / "model.safetensors").items():
        if tensor.is_floating_point():
            assert_rounded(name, theirs[name], tensor, terms=TERMS)
    reports = [json.loads((run / "report.json").read_text()) for run in (one, two)]
    assert reports[0]["samples"] == reports[1]["samples"]
    assert [report["unusable_pictures"] for report in reports] == [2, 2]
    again = torchrun("--resume", str(two))
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("is complete") == 1


def test_several_tasks_of_srun_are_refused_and_one_in_a_cluster_trains(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"SLURM_PROCID": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    assert train(*tiny_arguments(faces, tmp_path / "run")) == 2
    message = capsys.readouterr().err
    assert "srun started 4 processes" in message
    assert "srun --ntasks 1 torchrun --standalone --nproc-per-node 4 -m reference_model.train" in message
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    check_launcher()


@pytest.mark.slow
def test_what_is_wrong_is_said_once(faces: Path, tmp_path: Path) -> None:
    done = torchrun(*tiny_arguments(faces, tmp_path / "run"), "--train.batch_size=15")
    assert done.returncode != 0
    assert done.stderr.count("train.batch_size 15 cannot be divided among 2 processes") >= 1
    assert 'Traceback (most recent call last):\n  File "' + str(REPOSITORY) not in done.stderr
    assert not (tmp_path / "run").exists()
