"""`obrl mine --history` and `obrl history`: what they write and print, and errors in one line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from obrl.history import History
from obrl.mining.changes.history_counts import HistoryCounter
from obrl.mining.changes.over_time import over_time
from obrl.mining.cli import main
from tests.mining.test_compare import NAMES
from tests.mining.test_history import drifting, history_of, snapshots


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(drifting(6_000).astype(int), columns=list(NAMES)).to_csv("t.csv", index=False)
    return tmp_path


def test_mine_and_history(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mine", "t.csv", "--history", "4", "--out", "mined"]) == 0
    assert "wrote mined/relation.npz, history.npz" in capsys.readouterr().out
    loaded = History.load("mined/history.npz")
    expected = history_of(drifting(6_000), 4)
    assert np.array_equal(loaded.relation, expected.relation)
    assert main(["history", "mined", "--top", "3", "--csv", "h.csv", "--positive-threshold", ".6"]) == 0
    out = capsys.readouterr().out
    assert "4 of 10 pairs drift over the parts (q <= 0.05)" in out
    assert "active at unit_pearson >= 0.6 or <= 0.2" in out
    assert "... and 1 more: --top 0 shows all" in out
    result = over_time(expected)
    with Path("h.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    for row, pair in zip(rows, result.order().tolist(), strict=True):
        assert (row["label_1"], row["label_2"]) == (NAMES[result.i[pair]], NAMES[result.j[pair]])
        for name in ("first", "last", "least", "greatest", "statistic", "p", "q"):
            assert float(row[name]) == pytest.approx(getattr(result, name)[pair], rel=1e-5)
        assert row["drifts"] == ("yes" if result.drifts()[pair] else "no")
    assert any(row["active"].startswith("together to") for row in rows)


def test_the_history_of_a_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshots().save("run.npz")
    assert main(["history", "run.npz"]) == 0
    assert "10 snapshots from step 20 to 290" in capsys.readouterr().out
    assert main(["history", "run.npz", "--positive-threshold", ".95", "--negative-threshold", ".05"]) == 0
    assert "0 pairs at first, 0 at last" in capsys.readouterr().out
    assert main(["history", "run.npz", "--positive-threshold", ".75"]) == 0
    assert "active at unit_pearson >= 0.75 or <= 0.3: " in capsys.readouterr().out
    assert main(["history", "run.npz"]) == 0
    assert "active at the thresholds of the run on the scale of unit_pearson: " in capsys.readouterr().out


def test_the_history_of_a_table_of_another_measure(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thresholds = ["--positive-threshold", ".7", "--negative-threshold", ".1"]
    for measure, words in (("pearson", "active at pearson >= 0.6 or <= -0.6: "), ("jaccard", "no thresholds on the")):
        assert main(["mine", "t.csv", "--history", "4", "--out", measure, "--measure", measure]) == 0
        capsys.readouterr()
        assert main(["history", measure]) == 0
        assert words in capsys.readouterr().out
        assert main(["history", measure, "--csv", f"{measure}.csv", *thresholds]) == 0
        assert f"active at {measure} >= 0.7 or <= 0.1: " in capsys.readouterr().out


def test_mine_computes_the_history_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[str] = []

    def history(counter: HistoryCounter, *arguments: Any) -> History:
        times.append("once")
        return of_counter(counter, *arguments)

    of_counter = HistoryCounter.history
    monkeypatch.setattr(HistoryCounter, "history", history)
    assert main(["mine", "t.csv", "--history", "4", "--out", "mined"]) == 0
    assert times == ["once"]


def test_one_pair_that_drifts_is_named_as_one(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = np.random.default_rng(0).random(400) < 0.5
    rows = np.column_stack([first, np.where(np.arange(400) < 200, first, ~first)]).astype(int)
    pd.DataFrame(rows, columns=["a", "b"]).to_csv("turned.csv", index=False)
    assert main(["mine", "turned.csv", "--history", "4", "--out", "turned", "--quiet"]) == 0
    assert main(["history", "turned"]) == 0
    assert "1 of 1 pair drifts over the parts (q <= 0.05)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["history", "none"], "none: there is no such file or folder; mine one with `obrl mine TABLE --history 32"),
        (["history", "."], "the folder holds no history.npz"),
        (["history", "t.csv"], "which is no .npz file"),
        (["history", "empty.npz"], "at least one step, got none"),
        (["history", "empty.npz", "--q", "2"], "--q must be in (0, 1], got 2.0"),
        (["history", "empty.npz", "--top", "-2"], "--top must be at least 0, got -2"),
        (["history", "run.npz", "--positive-threshold", ".1"], "must be below --positive-threshold, got 0.3 and 0.1"),
        (["history", "run.npz", "--negative-threshold", ".8"], "must be below --positive-threshold, got 0.8 and 0.7"),
        (
            ["history", "run.npz", "--positive-threshold", ".2", "--negative-threshold", ".2"],
            "must be below --positive-threshold, got 0.2 and 0.2",
        ),
        (["mine", "t.csv", "--history", "1", "--out", "m"], "--history must be at least 2"),
        (["mine", "t.csv", "--history", "4"], "with a folder to write to (--out)"),
    ],
)
def test_errors_in_one_line(arguments: list[str], words: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    History().save("empty.npz")
    snapshots().save("run.npz")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not Path("m").exists()
