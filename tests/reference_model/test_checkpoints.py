"""Checkpoints are written whole or not at all, never unpickle code, give every step its own random numbers."""

from __future__ import annotations

import pickle
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from reference_model.engine import checkpoints
from reference_model.engine.checkpoints import (
    AtomicCheckpointIO,
    ResumeCheckpoint,
    TrainingInterrupted,
    read_checkpoint,
    seed_step,
)
from reference_model.engine.finite import FiniteGuard, NotFiniteError
from reference_model.engine.loader import TrainLoader

CONTENT: dict[str, Any] = {"state_dict": {"w": torch.arange(3.0)}, "batches_done": 4, "global_step": 4}


def test_the_random_numbers_of_a_step_depend_on_seed_step_and_process_alone() -> None:
    draws = {}
    for key in [(0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1)]:
        torch.rand(3)
        seed_step(key[0], step=key[1], rank=key[2])
        draws[key] = tuple(torch.rand(4).tolist())
    assert len(set(draws.values())) == len(draws)
    seed_step(0, step=2, rank=0)
    assert tuple(torch.rand(4).tolist()) == draws[0, 2, 0]


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "deep" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, file)
    old = file.read_bytes()

    def fail(content: object, target: Any) -> None:
        target.write(b"half of a checkpoint")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", fail)
    with pytest.raises(OSError, match="no space"):
        AtomicCheckpointIO().save_checkpoint({**CONTENT, "batches_done": 5}, file)
    assert file.read_bytes() == old
    monkeypatch.undo()
    AtomicCheckpointIO().save_checkpoint({**CONTENT, "batches_done": 6}, file)
    assert read_checkpoint(file)["batches_done"] == 6
    assert list(file.parent.iterdir()) == [file]


class Attack:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.flag,))


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, form: str) -> None:
    file, flag = tmp_path / "last.ckpt", tmp_path / "flag"
    content = {**CONTENT, "extra": Attack(flag)}
    if form == "torch":
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content, protocol=2))
    for weights_only in (None, False):
        with pytest.raises(ValueError, match=r"last\.ckpt is not a checkpoint"):
            AtomicCheckpointIO().load_checkpoint(file, weights_only=weights_only)
    assert not flag.exists()


@pytest.mark.parametrize("length", [0, 100, 700, 5000, 20_000])
def test_a_checkpoint_that_is_cut_is_named(tmp_path: Path, length: int) -> None:
    file = tmp_path / "last.ckpt"
    torch.save({**CONTENT, "state_dict": {f"w{number}": torch.zeros(500) for number in range(20)}}, file)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"last\.ckpt is not a (whole )?checkpoint"):
        read_checkpoint(file)


@pytest.mark.parametrize("content", [{}, {"state_dict": {}}, [1, 2], torch.zeros(3)])
def test_other_files_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"other\.ckpt is not a checkpoint"):
        read_checkpoint(tmp_path / "other.ckpt")


def test_a_signal_at_the_end_of_the_last_epoch_stops_what_comes_after_the_training(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    saving = ResumeCheckpoint(tmp_path, cast("TrainLoader", SimpleNamespace(processes=1)), every=1)
    trainer, module = cast("Any", None), cast("Any", SimpleNamespace(device=torch.device("cpu")))
    saving.on_train_start(trainer, module)
    saving.on_train_end(trainer, module)
    saving.on_train_start(trainer, module)
    saving.saved_step = 18
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(TrainingInterrupted) as stopped:
        saving.on_train_end(trainer, module)
    assert (stopped.value.signal_number, stopped.value.step) == (signal.SIGTERM, 18)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("step", [0, 1, 7], ids=["first-batch-of-the-first-step", "first", "later"])
def test_a_loss_that_is_not_finite_stops_at_once(step: int, tmp_path: Path) -> None:
    guard = FiniteGuard(0.1, ResumeCheckpoint(tmp_path, cast("TrainLoader", None), every=1))
    trainer: Any = SimpleNamespace(global_step=step)
    guard.on_train_batch_end(trainer, cast("Any", None), {"loss": torch.tensor(1.0)}, None, 0)
    with pytest.raises(NotFiniteError, match=f"step {max(step, 1)}: the loss is not finite"):
        guard.on_train_batch_end(trainer, cast("Any", None), {"loss": torch.tensor(float("nan"))}, None, 0)
