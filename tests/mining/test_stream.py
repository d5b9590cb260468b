"""The benchmark of many rows: what it draws, and that it notices wrong counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mining.generate import draw_block, write_parquet
from benchmarks.mining.stream import measure, report, timed

parquet = pytest.importorskip("pyarrow.parquet")


def test_drawn_labels_have_the_share_asked_for_and_relate() -> None:
    block = draw_block(20_000, 40, share=0.1, rng=np.random.default_rng(0))
    assert block.shape == (40, 20_000) and 0.08 < block.mean() < 0.16
    phi = np.corrcoef(block)
    assert np.abs(phi[np.triu_indices(40, 1)]).max() > 0.1


def test_files_repeat_the_block_in_row_groups(tmp_path: Path) -> None:
    block = draw_block(2**18, 3, share=0.3, rng=np.random.default_rng(0))
    write_parquet(tmp_path / "a.parquet", block, 5)
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2**20, 2**18]
    table = file.read()
    assert np.array_equal([column.to_numpy() for column in table.columns], np.tile(block, 5))


def test_a_run_is_measured_checked_and_cleared_away(tmp_path: Path) -> None:
    block = draw_block(5_000, 6, share=0.3, rng=np.random.default_rng(0))
    run = measure(tmp_path, block, 4, "bool")
    assert run.exact and run.rows == 20_000 and run.num_labels == 6 and not list(tmp_path.iterdir())
    assert 0 < run.mining_seconds < run.seconds and 2e7 < run.peak_bytes < 1e9
    assert "exact" in report([run]) and "WRONG" in report([replace(run, exact=False)])
    with pytest.raises(RuntimeError, match="exited with 2"):
        timed(["mine", str(tmp_path / "absent.csv")])
