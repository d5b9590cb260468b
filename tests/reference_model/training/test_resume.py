"""A run that is killed or interrupted and resumed ends bit for bit where an uninterrupted one does."""

from __future__ import annotations

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

from obrl.history import History
from tests.reference_model.training.commands import EPOCHS, STEPS_PER_EPOCH, tiny_arguments, train

REPOSITORY = Path(__file__).resolve().parents[3]


def run_killed(name: str, hook: str, step: int, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.reference_model.training.killed", name, hook, str(step)]
    return subprocess.run(
        [*command, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )


def checkpoint(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def assert_same(left: Any, right: Any, where: str = "checkpoint") -> None:
    """Compare nested tensors and plain values exactly."""
    assert type(left) is type(right), where
    if isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype, where
        assert torch.equal(left, right), where
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for key in left:
            assert_same(left[key], right[key], f"{where}.{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), where
        for place, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_same(one, other, f"{where}[{place}]")
    else:
        assert left == right, where


def assert_same_run(left: Path, right: Path) -> None:
    weights, others = load_file(left / "model.safetensors"), load_file(right / "model.safetensors")
    assert_same(weights, others, "weights")
    with np.load(left / "relation.npz") as ours, np.load(right / "relation.npz") as theirs:
        assert sorted(ours) == sorted(theirs)
        for name in ours:
            assert ours[name].tobytes() == theirs[name].tobytes(), name
    histories = [History.load(run / "history.npz") for run in (left, right)]
    assert histories[0].steps.tolist() == histories[1].steps.tolist()
    assert histories[0].relation.tobytes() == histories[1].relation.tobytes()
    assert_same(checkpoint(left), checkpoint(right))
    for name in ("metrics.csv", "report.json", "labels.json"):
        assert (left / name).read_text() == (right / name).read_text(), name


def test_the_comparison_can_fail() -> None:
    state = {"weights": [torch.zeros(3)], "step": 4}
    assert_same(state, {"weights": [torch.zeros(3)], "step": 4})
    with pytest.raises(AssertionError, match="weights"):
        assert_same(state, {"weights": [torch.tensor([0.0, 1e-45, 0.0])], "step": 4})
    with pytest.raises(AssertionError, match="step"):
        assert_same(state, {"weights": [torch.zeros(3)], "step": 5})


# Step 8 is inside the second of three epochs; the checkpoint of a killed run is an earlier one.
SCENES = [
    ("SIGKILL", "training_step", 9, -signal.SIGKILL, 8),
    pytest.param("SIGINT", "training_step", 9, 128 + signal.SIGINT, 10, marks=pytest.mark.slow),
    ("SIGTERM", "training_step", 3, 128 + signal.SIGTERM, 4),
    ("SIGINT", "validation_step", STEPS_PER_EPOCH, 128 + signal.SIGINT, STEPS_PER_EPOCH),
    pytest.param(
        *("SIGTERM", "training_step", EPOCHS * STEPS_PER_EPOCH - 1, 128 + signal.SIGTERM, EPOCHS * STEPS_PER_EPOCH),
        marks=pytest.mark.slow,  # in the last batch of all
    ),
    pytest.param("SIGKILL", "on_train_epoch_end", 2 * STEPS_PER_EPOCH, -signal.SIGKILL, 10, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "hook", "step", "status", "saved"), SCENES)
def test_resumed_run_equals_uninterrupted_run(
    name: str,
    hook: str,
    step: int,
    status: int,
    saved: int,
    faces: Path,
    finished: dict[str, Path],
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    killed = run_killed(name, hook, step, [*tiny_arguments(faces, out), "--loss", "obrl"])
    assert killed.returncode == status, killed.stderr
    assert checkpoint(out)["batches_done"] == saved
    assert not (out / "report.json").exists()
    if name != "SIGKILL":
        assert f"the checkpoint of step {saved} is saved" in killed.stderr
        assert f"python -m reference_model.train --resume {out}" in killed.stderr
        assert "Traceback" not in killed.stderr
    assert train("--resume", out) == 0
    assert checkpoint(out)["batches_done"] == EPOCHS * STEPS_PER_EPOCH
    assert_same_run(out, finished["obrl"])


def test_a_run_killed_before_its_first_checkpoint_starts_again(
    faces: Path, finished: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    killed = run_killed("SIGKILL", "training_step", 1, [*tiny_arguments(faces, out), "--loss", "obrl"])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (out / "checkpoints" / "last.ckpt").exists()
    assert train("--out", out, "--resume") == 0
    assert_same_run(out, finished["obrl"])


def test_resuming_a_finished_run_changes_nothing(
    finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "moved"  # a run may be moved
    shutil.copytree(finished["obrl"], out)
    assert train("--resume", out) == 0
    assert "is complete" in capsys.readouterr().out
    assert_same_run(out, finished["obrl"])


def test_a_run_stopped_while_testing_is_finished_by_resuming(finished: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished["obrl"], out)
    for name in ("report.json", "model.safetensors", "relation.npz"):
        (out / name).unlink()
    assert train("--resume", out) == 0
    assert_same_run(out, finished["obrl"])


def test_other_data_is_refused(
    finished: dict[str, Path], faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, changed = tmp_path / "run", tmp_path / "faces"
    shutil.copytree(finished["obrl"], out)
    shutil.copytree(faces, changed)
    table = changed / "list_attr_celeba.txt"
    lines = table.read_text().splitlines()
    name, first, *others = lines[2].split()
    lines[2] = " ".join([name, str(-int(first)), *others])
    table.write_text("\n".join(lines) + "\n")
    assert train("--resume", out, "--root", changed) == 2
    assert "the data differs" in capsys.readouterr().err
