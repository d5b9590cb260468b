"""torch.distributed over gloo: two processes with 7 and 3 rows are one with 10, exactly."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from obrl.torch import OBRLoss
from tests.torch.distributed_data import LABELS, ROWS, SPLITS, batches, logits_of, part
from tests.torch.distributed_worker import SCENARIOS
from tests.torch.tensors import values

WORLD_SIZE = 2
SECONDS = 180
ROOT = Path(__file__).parents[2]


class Result:
    """What the processes ended with, by rank, scenario and name."""

    def __init__(self, files: list[Path]) -> None:
        self.by_rank = []
        for file in files:
            with np.load(file, allow_pickle=False) as arrays:
                self.by_rank.append({name: arrays[name] for name in arrays.files})

    def get(self, rank: int, scenario: str, name: str) -> NDArray[Any]:
        return self.by_rank[rank][f"{scenario}/{name}"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("gloo")
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    files = [folder / f"{rank}.npz" for rank in range(WORLD_SIZE)]
    command = [sys.executable, "-m", "tests.torch.distributed_worker"]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [
        subprocess.Popen(
            [*command, *map(str, (rank, WORLD_SIZE, folder / "store", file))], cwd=ROOT, env=environment, **options
        )
        for rank, file in enumerate(files)
    ]
    try:
        outputs = [process.communicate(timeout=SECONDS)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, output in zip(started, outputs, strict=True):
        assert process.returncode == 0, output
    return Result(files)


def whole(*, missing: bool = False, rows: slice = slice(0, ROWS), **settings: Any) -> OBRLoss:
    """One process that sees these rows of every batch."""
    criterion = OBRLoss(LABELS, decay=0.9, **settings)
    for targets in batches(missing=missing):
        criterion(logits_of(targets)[rows], targets[rows])
    return criterion


def assert_state(result: Result, rank: int, scenario: str, criterion: OBRLoss) -> None:
    for name in ("relation_sum", "relation_weight"):
        np.testing.assert_array_equal(result.get(rank, scenario, name), values(criterion.get_buffer(name)))


@pytest.mark.parametrize("rank", range(WORLD_SIZE))
@pytest.mark.parametrize(
    ("scenario", "settings"),
    [
        ("batch", {}),
        ("counts", {"estimator": "counts"}),
        ("empty", {}),
        ("missing", {"missing": True}),
        ("fused", {"impl": "fused"}),
        ("fused counts", {"impl": "fused", "estimator": "counts"}),
        ("fused empty", {"impl": "fused"}),
        ("fused missing", {"impl": "fused", "missing": True}),
        ("bare", {}),
        ("validation", {}),
        ("copies", {}),
        ("data parallel", {}),
    ],
)
def test_every_rank_has_the_state_of_the_whole(
    result: Result, rank: int, scenario: str, settings: dict[str, Any]
) -> None:
    assert_state(result, rank, scenario, whole(**settings))


@pytest.mark.parametrize("rank", range(WORLD_SIZE))
@pytest.mark.parametrize("scenario", ["alone", "own group"])
def test_without_sync_every_rank_is_by_itself(result: Result, rank: int, scenario: str) -> None:
    assert_state(result, rank, scenario, whole(rows=part("7 and 3", rank)))


@pytest.mark.parametrize("rank", range(WORLD_SIZE))
def test_the_loss_is_the_local_mean_under_the_shared_relation(result: Result, rank: int) -> None:
    criterion = OBRLoss(LABELS, decay=0.9)
    rows = part("7 and 3", rank)
    for position, targets in enumerate(batches()):
        criterion(logits_of(targets), targets)
        expected = criterion(logits_of(targets)[rows], targets[rows], update=False)
        assert result.get(rank, "batch", "loss")[position] == float(expected)


def test_an_empty_rank_has_no_loss(result: Result) -> None:
    assert (result.get(1, "empty", "loss") == 0).all()
    assert (result.get(0, "empty", "loss") > 0).all()


def test_the_data_tells_the_scenarios_apart() -> None:
    """Averaging the relations of two ranks would be off, and so would one rank alone."""
    together = whole().relation_sum
    parts = [whole(rows=rows) for rows in SPLITS["7 and 3"]]
    assert not torch.allclose(together, (parts[0].relation_sum + parts[1].relation_sum) / 2, atol=0.05)
    assert not torch.equal(parts[0].relation_weight, parts[1].relation_weight)
    assert not torch.equal(whole(missing=True).relation_sum, together)
    assert len(whole().pairs()) > 0


def test_every_scenario_is_compared(result: Result) -> None:
    scenarios = {name.split("/")[0] for name in result.by_rank[0]}
    assert scenarios == set(SCENARIOS)
