"""Accelerate, Trainer and FSDP in two processes on CPUs: both hold the relation of one process with all rows."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from obrl.torch import OBRLoss
from tests.hub.trainer_runs import BATCH
from tests.hub.trainer_runs import trainer as make_trainer
from tests.hub.worker import HALF, SCENARIOS
from tests.project.helpers import ROOT
from tests.torch.distributed_data import LABELS, batches, logits_of

BUFFERS = ("relation_sum", "relation_weight")
WORLD_SIZE = 2


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """By rank, the state of each scenario's module."""
    folder = tmp_path_factory.mktemp("processes")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={WORLD_SIZE}"]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    worker = [*command, "-m", "tests.hub.worker", str(folder)]
    done = subprocess.run(worker, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD_SIZE)]


def whole(rows: slice = slice(None)) -> OBRLoss:
    """One process that sees these rows of every batch."""
    criterion = OBRLoss(LABELS, decay=0.9)
    for targets in batches(missing=True):
        criterion(logits_of(targets)[rows].requires_grad_(), targets[rows])
    return criterion


def assert_relation(state: dict[str, Any], criterion: OBRLoss) -> None:
    for name in BUFFERS:
        assert torch.equal(state[name], criterion.get_buffer(name)), name


@pytest.mark.parametrize("rank", range(WORLD_SIZE))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "trainer"])
def test_both_processes_hold_the_relation_of_all_rows(results: list[dict[str, Any]], scenario: str, rank: int) -> None:
    assert_relation(results[rank][scenario], whole())


@pytest.mark.parametrize("rank", range(WORLD_SIZE))
def test_trainer_with_four_rows_a_process_is_trainer_with_eight(
    results: list[dict[str, Any]], rank: int, tmp_path: Path
) -> None:
    size = WORLD_SIZE * BATCH
    one = make_trainer(tmp_path, save_strategy="no", dataloader_drop_last=True, per_device_train_batch_size=size)
    one.train()
    assert_relation(results[rank]["trainer"], one.model.criterion)


def test_the_rows_of_one_process_alone_give_another_relation() -> None:
    halves = [whole(slice(0, HALF)), whole(slice(HALF, None))]
    assert not any(torch.equal(half.relation_sum, whole().relation_sum) for half in halves)
