"""The benchmark on CelebA: on a small drawn list it agrees with NumPy and pandas, and it notices what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mining import celeba
from benchmarks.mining.celeba import Peer, commands, peers, reached, read, report

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn = rng.random((500, 11)) < 0.4
    drawn[:, 1] ^= drawn[:, 0] & (rng.random(500) < 0.7)
    return drawn.astype(np.uint8)


def test_the_command_agrees_with_numpy_and_with_pandas_moving_average(tmp_path: Path, rows: np.ndarray) -> None:
    path = tmp_path / "list.txt"
    lines = [f"{k}.jpg  " + "  ".join(str(2 * int(value) - 1) for value in row) for k, row in enumerate(rows)]
    names = " ".join(f"label_{k}" for k in range(rows.shape[1]))
    path.write_text("\n".join([str(len(rows)), names, *lines]) + "\n", encoding="utf-8")
    np.testing.assert_array_equal(read(path), rows.T)
    runs = commands(path, rows, np.corrcoef(rows.T))
    assert [run.difference <= run.bound for run in runs] == [True, True]
    fastest = Peer("numpy 2: corrcoef of uint8", 500, 11, 0.01, 0.0)
    mined = Peer("obrl 1: TableCounter", 500, 11, 0.005, 0.0)
    quick = [replace(run, seconds=1.0, counting_seconds=0.05) for run in runs]
    assert reached(quick, [fastest, mined])
    assert not reached(quick, [fastest, replace(mined, seconds=0.02)])
    assert not reached([replace(quick[0], seconds=5.0), quick[1]], [fastest, mined])
    assert not reached([quick[0], replace(quick[1], difference=1e-9)], [fastest, mined])
    assert "corrcoef of uint8" in report(quick, [fastest, mined])


def test_every_peer_gives_the_same_correlations(rows: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pandas", "polars"):
        pytest.importorskip(package)
    monkeypatch.setattr(celeba, "_installed", {"pandas", "polars"}.__contains__)  # the others take long to import
    results = peers(rows, np.corrcoef(rows.T), 1)
    assert len([peer for peer in results if peer.name.startswith(("obrl", "numpy", "polars", "pandas"))]) == 6
    assert max(peer.difference for peer in results if peer.difference is not None) < 1e-12
