"""The page about monitoring: its command works on what its first loop has written, and its picture is the script's."""

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from obrl.mining.cli import main
from tests.project.helpers import ROOT
from tests.project.test_examples import examples, run_example
from tools.monitoring_picture import draw

PAGE = (ROOT / "docs" / "monitoring.md").read_text()


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
    assert "a" in capsys.readouterr().out


def test_the_picture_is_what_the_script_draws() -> None:
    content = (ROOT / "docs" / "pictures" / "monitoring.png").read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), draw())
