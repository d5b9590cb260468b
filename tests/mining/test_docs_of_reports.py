"""Every command on the page about reports runs, and writes what the page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from obrl import OBRLoss
from tests.mining.test_cli_suspects import write_table
from tests.mining.test_suspects import related_table
from tests.project.helpers import ROOT
from tests.project.test_mining_pages import BLOCK, run_commands
from tests.support.html_report import column


def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(Path("train.csv"), related_table(200))
    criterion = OBRLoss(6)
    criterion(np.zeros((200, 6)), related_table(200))
    criterion.save_relation("learnt.npz")
    text = (ROOT / "docs" / "mining" / "mining_report.md").read_text(encoding="utf-8")
    blocks = [source for language, source in BLOCK.findall(text) if language == "console"]
    assert len(blocks) == 3
    for source in blocks:
        run_commands(source)
    assert column(Path("mined/report.html"), "suspects") is None
    assert column(Path("report.html"), "suspects")["rows"]
    assert column(Path("to_share.html"), "suspects")["rows"] is None
    assert column(Path("learnt.html"), "suspects")["rows"]


def test_the_picture_of_the_page_is_small() -> None:
    picture = ROOT / "docs" / "pictures" / "mining_report.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 150_000
