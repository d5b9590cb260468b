"""Checkpoints are written whole or not at all, never unpickle code, and hold every generator's state."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reference_model import checkpoints
from reference_model.checkpoints import (
    AtomicCheckpointIO,
    random_states,
    read_checkpoint,
    restore_random_states,
    seed_everything,
)

CONTENT: dict[str, Any] = {"state_dict": {"w": torch.arange(3.0)}, "batches_done": 4, "random_states": {}}


def draws() -> list[float]:
    return [random.random(), random.gauss(0, 1), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002


def test_random_states_survive_a_file(tmp_path: Path) -> None:
    random.gauss(0, 1)  # leaves a second number waiting inside the generator
    file = tmp_path / "states.ckpt"
    AtomicCheckpointIO().save_checkpoint({**CONTENT, "random_states": random_states()}, file)
    expected = [draws() for _ in range(3)]
    restore_random_states(read_checkpoint(file)["random_states"])
    assert [draws() for _ in range(3)] == expected


def test_seeding_is_undone() -> None:
    before = random_states()
    expected = draws()
    restore_random_states(before)
    put_back = seed_everything(2**40 + 1)
    first = draws()
    put_back()
    assert draws() == expected
    seed_everything(2**40 + 1)()
    put_back = seed_everything(2**40 + 1)
    assert draws() == first
    put_back()


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


@pytest.mark.parametrize("content", [{}, {"state_dict": {}}, [1, 2], torch.zeros(3)])
def test_other_files_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"other\.ckpt is not a checkpoint"):
        read_checkpoint(tmp_path / "other.ckpt")
