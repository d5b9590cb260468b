"""Runs on a part of the training pictures and labels, from the whole net of an earlier run."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.reference_model.training.commands import tiny_arguments, train
from tests.reference_model.training.test_resume import assert_same_run, run_killed


def arguments(faces: Path, out: Path, model: Path) -> list[str]:
    parts = ["--read.train_rows=48", "--read.label_share=0.5", f"--weights.model={model}"]
    return [*tiny_arguments(faces, out), "--loss=obrl", "--optim.lr_pretrained=1e-3", *parts]


def test_a_resumed_run_on_a_part_equals_an_uninterrupted_one(
    faces: Path, finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, cut, model = tmp_path / "whole", tmp_path / "cut", finished["ce"] / "model.safetensors"
    assert train(*arguments(faces, whole, model)) == 0
    printed = capsys.readouterr().out
    assert "celeba: 48 train, 32 valid, 32 test" in printed
    assert "the net starts from" in printed
    killed = run_killed("SIGKILL", "training_step", 5, arguments(faces, cut, model))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert train("--resume", cut, "--read.train_rows=40", "--read.label_share=0.4") == 2
    complaint = capsys.readouterr().err
    assert "read.train_rows is 48 there and 40 here; read.label_share is 0.5 there and 0.4 here" in complaint
    assert train("--resume", cut) == 0
    assert_same_run(whole, cut)
    report = json.loads((whole / "report.json").read_text())
    assert [note.split(" are ")[0] for note in report["notes"]] == [
        "48 of 96 training pictures",
        f"{48 * 40 // 2} of {48 * 40} training labels",
    ]
    prints = [json.loads((run / "labels.json").read_text())["fingerprint"] for run in (whole, finished["obrl"])]
    assert prints[0] != prints[1]


def test_more_rows_than_there_are_stop_before_anything_is_written(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(*tiny_arguments(faces, out), "--read.train_rows=97") == 2
    assert "read.train_rows is 97, but celeba has 96 training pictures" in capsys.readouterr().err
    assert not out.exists()
