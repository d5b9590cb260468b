"""Two processes train what one does with the same batches, and what they share unevenly counts once."""

from __future__ import annotations

import csv
import json
import math
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from obrl import OnlineBatchRelation
from reference_model.data.synthetic.pool import open_pool, write_pool
from reference_model.engine.processes import check_launcher
from reference_model.settings.pictures import PoolConfig, SyntheticConfig
from tests.reference_model.compare import assert_rounded
from tests.reference_model.training.commands import tiny_arguments, train
from tests.reference_model.training.test_resume import REPOSITORY, assert_same, checkpoint

TERMS = 10_000  # roundings that a weight has seen: the pixels of a batch, in every step
# Batches of 15 pictures are 7 and 8; 31 validation pictures are 16 and 15. Dropout differs by process.
UNEVEN = ("--net.dropout=0", "--net.norm=lrn", "--train.batch_size=15", "--train.accumulate=2", "--train.ema=0.9")
SGD = ("--optim.kind=sgd", "--optim.lr=0.01")
COUNTED = ("accuracy", "balanced_accuracy", "recognised", "active_pairs")


def torchrun(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", module]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def train_in_two(*arguments: str | Path) -> str:
    """Train in two processes; return what they print."""
    done = torchrun("reference_model.train", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in load_file(run / "model.safetensors").items() if tensor.is_floating_point()}


def report(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "report.json").read_text())
    return content


def assert_same_course(one: Path, two: Path, *, rel: float, counted: float = 0.0) -> None:
    """Compare the rows of two runs: means of losses within ``rel``, what counts pictures within ``counted``."""
    assert len(rows(one)) == len(rows(two))
    for ours, theirs in zip(rows(one), rows(two), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            allowed = counted if name in ("step", "epoch") or name.endswith(COUNTED) else rel
            assert theirs[name] == pytest.approx(value, rel=allowed), name


def assert_same_relation(one: Path, two: Path) -> None:
    relations = [OnlineBatchRelation.load(run / "relation.npz") for run in (one, two)]
    np.testing.assert_array_equal(relations[0].relation_weight, relations[1].relation_weight)
    np.testing.assert_array_equal(relations[0].relation, relations[1].relation)


@pytest.fixture(scope="module")
def odd_faces(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faces with one more for training and one fewer for validation: 97, 31 and 32."""
    root = tmp_path_factory.mktemp("odd") / "faces"
    shutil.copytree(faces, root)
    partitions = root / "list_eval_partition.txt"
    partitions.write_text(partitions.read_text().replace(" 1\n", " 0\n", 1))
    return root


def test_two_processes_train_what_one_does(odd_faces: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    settings = (*UNEVEN, *SGD, "--train.epochs=2")
    assert train(*tiny_arguments(odd_faces, one), *settings) == 0
    printed = train_in_two(*tiny_arguments(odd_faces, two), *settings)
    assert printed.count("Everything is in") == 1
    assert [row["step"] for row in rows(two)] == [3, 6]
    assert_same_course(one, two, rel=1e-5)
    assert_same_relation(one, two)
    for name, tensor in weights(one).items():
        assert_rounded(name, weights(two)[name], tensor, terms=TERMS)
    assert report(two)["samples"] == 32
    assert report(two)["attributes"] == report(one)["attributes"]
    shares = [report(run)["relation"]["share_in_gradient"]["run"] for run in (one, two)]
    assert shares[1] == pytest.approx(shares[0], rel=1e-4, abs=1e-9)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a pool of drawn people."""
    pool = PoolConfig(people=9, valid_people=2, test_people=2, pictures_per_person=5, objects=1, scenes=2)
    return write_pool(open_pool(SyntheticConfig(), tmp_path_factory.mktemp("pool"), pool), SyntheticConfig(), pool)


def identity_arguments(root: Path, out: Path) -> list[str]:
    settings = {
        "stage": "identity",
        "data": "casia",
        "root": root / "casia",
        "out": out,
        "images.size": 32,
        "images.crop_padding": 0,
        "net.width": 0.05,
        "net.strides": "[1,1]",
        "net.norm": "none",
        "head.hidden": "[]",
        "head.embedding": 8,
        "head.dropout": 0,
        "train.epochs": 3,
        "train.batch_size": 11,
        "train.accumulate": 2,
        "train.threads": 1,
        "train.device": "cpu",
    }
    return [*(f"--{name}={value}" for name, value in settings.items()), *SGD]


@pytest.mark.slow
def test_centres_and_mixed_precision_are_those_of_one_process(odd_faces: Path, people: Path, tmp_path: Path) -> None:
    bf16 = (*UNEVEN, *SGD, "--train.epochs=2", "--train.precision=bf16")
    runs = {name: (tmp_path / f"{name}_one", tmp_path / f"{name}_two") for name in ("identity", "bf16")}
    assert train(*identity_arguments(people, runs["identity"][0])) == 0
    assert train(*tiny_arguments(odd_faces, runs["bf16"][0]), *bf16) == 0
    train_in_two(*identity_arguments(people, runs["identity"][1]))
    train_in_two(*tiny_arguments(odd_faces, runs["bf16"][1]), *bf16)
    one, two = runs["identity"]
    centers = [checkpoint(run)["state_dict"]["criterion.centers"] for run in (one, two)]
    assert centers[0].abs().max() > 0
    assert_rounded("centres", centers[1], centers[0], terms=TERMS)
    for name, tensor in weights(one).items():
        assert_rounded(name, weights(two)[name], tensor, terms=TERMS)
    assert_same_course(one, two, rel=1e-4)
    assert report(two)["samples"] == report(one)["samples"]

    one, two = runs["bf16"]
    assert_same_relation(one, two)
    assert_same_course(one, two, rel=1e-2, counted=1e-2)
    moved = start = 0.0
    for name, tensor in weights(one).items():
        moved = max(moved, float((weights(two)[name] - tensor).abs().max()))
        start = max(start, float(tensor.abs().max()))
    assert moved <= 2.0**-7 * start  # a rounding of bfloat16


@pytest.mark.slow
def test_two_processes_share_the_features_that_one_computes(odd_faces: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    settings = (*UNEVEN, *SGD, "--train.epochs=2", "--net.frozen=[net_0,net_2]", "--features.cache=true")
    assert train(*tiny_arguments(odd_faces, one), *settings, f"--features.folder={tmp_path / 'features_one'}") == 0
    printed = train_in_two(*tiny_arguments(odd_faces, two), *settings, f"--features.folder={tmp_path / 'features_two'}")
    assert printed.count("train pictures computed in") == 1
    assert_same_course(one, two, rel=1e-5)
    assert_same_relation(one, two)
    for name, tensor in weights(one).items():
        assert_rounded(name, weights(two)[name], tensor, terms=TERMS)
    assert report(two)["attributes"] == report(one)["attributes"]


@pytest.mark.slow
def test_two_processes_resume_exactly_and_test_one_net(odd_faces: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = ("--train.ema=0.9", "--train.batch_size=15", "--net.norm=bn")  # dropout is on
    train_in_two(*tiny_arguments(odd_faces, whole), *settings)
    module, step = "tests.reference_model.training.killed", 3
    stopped = torchrun(module, "SIGTERM", "training_step", str(step), *tiny_arguments(odd_faces, killed), *settings)
    assert stopped.returncode != 0
    assert f"exitcode  : {128 + signal.SIGTERM}" in stopped.stderr
    assert not (killed / "report.json").exists()
    assert checkpoint(killed)["batches_done"] == step + 1
    train_in_two("--resume", killed)
    assert_same(load_file(whole / "model.safetensors"), load_file(killed / "model.safetensors"), "weights")
    assert_same(checkpoint(whole), checkpoint(killed))
    assert report(whole) == report(killed)
    # A checkpoint inside an epoch holds the sums of all processes, so later losses are added in another order.
    assert_same_course(whole, killed, rel=1e-9)
    assert all(math.isfinite(value) for row in rows(whole) for value in row.values())
    again = torchrun("reference_model.train", "--resume", whole)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("is complete") == 1


@pytest.mark.slow
def test_unusable_pictures_of_every_process_are_counted(faces: Path, tmp_path: Path) -> None:
    shutil.copytree(faces, tmp_path / "faces")
    for name in ("000004.jpg", "000051.jpg"):  # two of the training pictures, which are decoded when they are used
        (tmp_path / "faces" / "img_align_celeba" / name).write_bytes(b"<html>")
    train_in_two(*tiny_arguments(tmp_path / "faces", tmp_path / "run"), "--train.epochs=1", "--images.memory_mb=0")
    assert report(tmp_path / "run")["unusable_pictures"] == 2


def test_several_tasks_of_srun_are_refused_and_one_in_a_cluster_trains(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"SLURM_PROCID": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    assert train(*tiny_arguments(faces, tmp_path / "run")) == 2
    message = capsys.readouterr().err
    assert "srun started 4 processes" in message
    assert "torchrun" in message
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    check_launcher()


@pytest.mark.slow
def test_what_is_wrong_is_said_once(faces: Path, tmp_path: Path) -> None:
    done = torchrun("reference_model.train", *tiny_arguments(faces, tmp_path / "run"), "--train.batch_size=1")
    assert done.returncode != 0
    assert done.stderr.count("train.batch_size 1 cannot be divided among 2 processes") == 1
    assert 'Traceback (most recent call last):\n  File "' + str(REPOSITORY) not in done.stderr
    assert not (tmp_path / "run").exists()
