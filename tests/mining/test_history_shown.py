"""Which pairs of a history are shown, what is said of them first, and when they were active."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from obrl import OBRLoss, OnlineBatchRelation
from obrl.history import History
from obrl.mining.changes.drift import history_drift, history_findings
from obrl.mining.changes.over_time import over_time
from obrl.mining.changes.over_time_words import drift_in_words, shown_order
from obrl.mining.cli import main
from obrl.online import RelationState
from tests.mining.test_compare import NAMES, drawn
from tests.mining.test_history import history_of, snapshots
from tests.support.html_report import column, texts

TURNED = "1 of 10 pairs drifts (q <= 0.05): “hat” and “cap”, whose phi goes from +0."


def turned() -> np.ndarray:
    """Five unrelated labels, but that the first two always agree, and from row 2,001 on exclude each other."""
    table = (np.random.default_rng(3).random((4_000, 5)) < 0.5).astype(float)
    table[:, 1] = np.where(np.random.default_rng(4).random(4_000) < 0.95, table[:, 0], 1 - table[:, 0])
    table[2_000:, 1] = 1 - table[2_000:, 1]
    return table


def test_mine_says_what_drifts_on_the_console_and_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, table in (("turned", turned()), ("still", drawn(4_000, 0))):
        pd.DataFrame(table.astype(int), columns=list(NAMES)).to_csv(f"{name}.csv", index=False)
        assert main(["mine", f"{name}.csv", "--history", "8", "--out", name, "--quiet"]) == 0
    console = capsys.readouterr().out
    assert f"\nover the rows {TURNED}" in console
    assert "\nover the rows 0 of 10 pairs drift (q <= 0.05)\n" in console
    for path in (Path("turned/report.html"), Path("again.html")):
        if not path.exists():
            assert main(["report", "turned", "--out", str(path), "--quiet"]) == 0
        assert any(f"Over the rows {TURNED}" in text for text in texts(path))
    (drift,) = column(Path("turned/report.html"), "drift")
    assert drift["step"] == "Last row"
    assert "Over the rows 0 of 10 pairs drift (q <= 0.05)." in texts(Path("still/report.html"))


def test_a_drift_is_a_warning() -> None:
    for table, warns in ((turned(), True), (drawn(4_000, 0), False)):
        (finding,) = history_findings(over_time(history_of(table, 8)))
        assert finding.warning is warns
    assert history_findings(over_time(snapshots())) == ()
    table = turned()
    table[:, 2] = table[:, 1]
    words = drift_in_words(over_time(history_of(table, 8)))
    assert words.startswith("over the rows 2 of 10 pairs drift (q <= 0.05): most of all “hat” and “")


def test_a_pair_that_changes_sides_is_counted() -> None:
    text = str(over_time(history_of(turned(), 8)))
    assert "pairs became active 0 times, stopped 0 times and changed sides 1 time" in text
    assert "together to 2,000, apart from 2,001" in text


def test_active_pairs_of_a_run_stand_first_and_float_noise_is_left_out() -> None:
    """One pair always agrees, one moves a little, one moves a lot, the others by the last bits of float32."""
    settings, history = OBRLoss(4).settings, History(label_names=["a", "b", "c", "d"])
    for step in range(5):
        relation = np.full((4, 4), 0.5 + step * 1e-7)
        for (i, j), value in {(0, 1): 1.0, (1, 2): 0.5 + step / 100, (2, 3): 0.5 - step / 20}.items():
            relation[i, j] = relation[j, i] = value
        state = RelationState(relation, np.ones((4, 4)))
        history.append(step, OnlineBatchRelation.from_state(state, settings), thresholds=(0.8, 0.2))
    result = over_time(history)
    assert [(result.i[k], result.j[k]) for k in shown_order(result)] == [(0, 1), (2, 3), (1, 2)]
    assert [row[:2] for row in history_drift(history).rows] == [("a", "b"), ("c", "d"), ("b", "c")]
    first, *_, last = str(result).split("\n\n")[1].splitlines()[1:]
    assert first.split() == ["a", "b", *4 * ["+1.000"], "together", "always"]
    assert last.endswith("never")
    shown = shown_order(result, thresholds=(0.9, 0.51))  # all but the first pair begin below .51, so are active
    assert (shown[0], len(shown)) == (5, 6)
