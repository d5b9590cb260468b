"""The measurement of conditioning, on a drawn table whose labels repeat each other."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import condition
from benchmarks.evidence.__main__ import main
from benchmarks.evidence.condition_report import gains, misses


def drawn(folder: Path) -> None:
    """Five labels of a common cause that the features show dimly, and one that is too rare to count."""
    rng = np.random.default_rng(0)
    cause = rng.random((700, 1)) < 0.4
    y = np.column_stack([cause ^ (rng.random((700, 5)) < 0.1), rng.random(700) < 0.01]).astype(np.uint8)
    x = (cause + 2 * rng.normal(size=(700, 3))).astype(np.float32)
    np.savez(folder / "drawn.npz", X=x, Y=y, is_train=np.arange(700) < 400)


def test_related_labels_gain_and_the_results_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(condition, "speed", lambda: 0.5)  # a busy machine decides nothing here
    drawn(tmp_path)
    out = tmp_path / "results"
    assert main(["condition", "--labels", str(tmp_path), "--tables", "drawn", "--seeds", "2", "--out", str(out)]) == 0
    document = json.loads(out.with_suffix(".json").read_text())
    table = document["tables"]["drawn"]
    assert (table["labels"], table["train_rows"], len(table["seeds"])) == (5, 400, 2)
    reached = gains(table)
    assert reached["condition"] > 5
    assert reached["suspicion"] > 5
    assert out.with_suffix(".md").read_text().strip() in capsys.readouterr().out
    assert misses(document) == []


def test_a_goal_that_is_missed_is_named() -> None:
    seed = {
        "condition_25%": {"without": 50.0, "with": 52.0},
        "suspicion": {"without": 80.0, "with": 80.0},
        "query": {"uncertainty": 10.0, "query_scores": 9.5},
        "assess": {"gain": 2.0, "from_the_half_alone": 5.0},
    }
    document = {"tables": {"yeast": {"seeds": [seed]}}, "seconds_10000_rows_40_labels": 2.5}
    assert misses(document) == [
        "yeast, condition: 2.00, expected at least 5",
        "yeast, suspicion: 0.00, expected more than 0",
        "yeast, query: 5.00, expected at least 10",
        "yeast, assess: off by 3.00, expected at most 2.5",
        "10,000 rows x 40 labels take 2.50 s, expected less than 2",
    ]
