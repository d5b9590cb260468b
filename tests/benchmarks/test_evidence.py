"""The measurements of evidence, on few repetitions and on drawn tables."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import intervals, nulls
from benchmarks.evidence.__main__ import MEASUREMENTS, main


def test_the_grid_is_that_of_the_design() -> None:
    grid = list(intervals.settings())
    assert len(grid) == 77
    for setting in grid:
        assert sum(setting.cells) == pytest.approx(1)
        p, q = setting.margins
        both = setting.cells[0]
        assert (both - p * q) / np.sqrt(p * (1 - p) * q * (1 - q)) == pytest.approx(setting.phi)


def test_intervals_print_their_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    main(["intervals", "--repetitions", "400"])  # 400 are too few to pass for certain
    printed = capsys.readouterr().out
    assert "77 settings, 400 tables each" in printed
    assert 0.85 < float(printed.split("five or more expected: ")[1].split(",")[0]) < 1


def test_intervals_that_are_too_short_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "phi_interval", lambda counts: (np.full(50, -1.0), np.full(50, -1.0)))
    assert main(["intervals", "--repetitions", "50"]) == 1


def test_nulls_of_drawn_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    first = rng.random((500, 1)) < 0.3
    related = (np.repeat(first, 6, axis=1) ^ (rng.random((500, 6)) < 0.1)).astype(np.uint8)
    np.savez(tmp_path / "drawn.npz", Y=np.column_stack([related, np.zeros(500, np.uint8)]))
    assert nulls.related(related)[:2] == (15, 15), "before the columns are permuted every pair is related"
    permuted = nulls.permuted(related, rng)
    assert (permuted.sum(axis=0) == related.sum(axis=0)).all()
    assert main(["nulls", "--labels", str(tmp_path), "--tables", "drawn", "--seeds", "2"]) == 0
    assert "drawn" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), ([], 0), (["guesses"], 2)])
def test_names_are_listed(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == status
    printed = capsys.readouterr().out
    assert all(name in printed for name in MEASUREMENTS)
