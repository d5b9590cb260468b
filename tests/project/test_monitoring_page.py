"""The page about monitoring: its command works on what its first loop has written, and its picture is the script's."""

import io
import re
import shlex
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from obrl.history import History
from obrl.mining.cli import main
from tests.project.helpers import ROOT
from tests.project.test_examples import examples, run_example
from tools.monitoring_picture import draw

PAGE = (ROOT / "docs" / "guides" / "monitoring.md").read_text()


def test_the_commands_follow_from_the_first_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_example(examples(PAGE)[0][1])
    assert {path.name for path in Path("run").iterdir()} == {
        "relation.csv",
        "tensorboard",
        "history.npz",
        "report.html",
    }
    assert [row.split(",")[0] for row in Path("run/relation.csv").read_text().split()] == [
        "step",
        "10",
        "20",
        "30",
        "40",
    ]
    commands = re.findall(r"^\$ obrl (.*)$", PAGE, re.MULTILINE)
    assert commands == ["history run/history.npz"]
    assert main(shlex.split(commands[0])) == 0
    rows = re.findall(r"^([a-e]) +([a-e]) +(\S+) +(\S+) .* never$", capsys.readouterr().out, re.MULTILINE)
    labels = list("abcde")
    assert {row[:2] for row in rows} == {*combinations(labels, 2)} - {
        ("a", "b")
    }  # which is active, and does not change
    relation = History.load("run/history.npz").relation
    for a, b, *numbers in rows:
        phi = 2 * relation[[0, -1], labels.index(a), labels.index(b)] - 1
        assert [*map(float, numbers)] == pytest.approx(phi, abs=6e-4)


def test_the_picture_is_what_the_script_draws() -> None:
    content = (ROOT / "docs" / "pictures" / "monitoring.png").read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), draw())
