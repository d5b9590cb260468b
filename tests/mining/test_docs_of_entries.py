"""Every command and example on the pages about suspects and filling runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from obrl.mining.cli import main
from tests.mining.test_cli_suspects import write_table
from tests.mining.test_suspects import related_table
from tests.project.test_mining_pages import follow

DOCS = Path(__file__).parents[2] / "docs" / "mining"
PAGES = ("mining_suspects.md", "mining_fill.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = related_table(200)
    np.savez("predictions.npz", probabilities=np.full(table.shape, 0.4))
    table[::7, 1] = np.nan
    write_table(tmp_path / "labels.csv", table, by=["Ann", "Bob"] * 100)
    assert main(["mine", "labels.csv", "--out", "mined"]) == 0
    text = (DOCS / page).read_text(encoding="utf-8")
    assert text.count("\n$ obrl ") >= 4 and "```python" in text
    follow(text)
