"""The benchmark of mining with Dask: its table, what it refuses, and, marked slow, a small run of all of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mining.cluster import (
    FILES,
    SETTINGS,
    Run,
    cluster,
    kill_when,
    main,
    report,
    results_in,
    started,
    wait_until,
    write_files,
)
from benchmarks.mining.generate import draw_block

parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("distributed")
RUN = Run("one process", "counts", 1.5, 5, 2, exact=True, difference=3e-16)


def test_the_files_repeat_the_block(tmp_path: Path) -> None:
    block = draw_block(1_000, 3, share=0.3, rng=np.random.default_rng(0))
    write_files(tmp_path / "labels", block, 2 * FILES + 1)
    rows = [parquet.ParquetFile(file).metadata.num_rows for file in (tmp_path / "labels").iterdir()]
    assert sorted(rows) == [2_000] * (FILES - 1) + [3_000]


def test_the_report_names_wrong_counts() -> None:
    assert "| one process | counts | 1.5 | 5 | 2 | exact | 3.0e-16 |" in report([RUN], 10)
    assert "WRONG" in report([replace(RUN, exact=False)], 10)


def test_a_command_that_is_faster_than_the_kill_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mined.checkpoint"
    folder.mkdir()
    (folder / "_a.npz").write_bytes(b"")
    assert results_in(tmp_path / "mined") == 1 and results_in(tmp_path / "other") == 0
    command = subprocess.Popen([sys.executable, "-c", ""])
    with command, pytest.raises(RuntimeError, match="before the command left 2 results; give more --rows"):
        kill_when(command, tmp_path / "mined", 2, command)


def test_nothing_is_waited_for_forever_and_no_process_is_left(tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(RuntimeError, match="0 seconds were over before it woke"), started(sleep) as process:
        wait_until(lambda: False, process, "it woke", 0.1)
    assert process.returncode == -signal.SIGKILL


def test_a_scheduler_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.mining.cluster.DASK", [sys.executable, "-c", "import sys; sys.exit(3)"])
    with pytest.raises(RuntimeError, match="status 3 before the scheduler wrote"), cluster(tmp_path):
        pass


@pytest.mark.slow
def test_all_runs_give_the_counts_of_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two workers of which one is killed, and the whole command killed and started again."""
    assert main(["--rows", "5e6", "--folder", str(tmp_path), "--out", str(tmp_path / "mining_cluster")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("| exact |") == 4 * len(SETTINGS)
    assert (tmp_path / "mining_cluster.md").read_text() in printed
    runs = json.loads((tmp_path / "mining_cluster.json").read_text())
    assert len(runs) == 4 * len(SETTINGS) and {run["exact"] for run in runs} == {True}
