"""The how-to pages: examples and commands run in their order, and print what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.helpers import ROOT
from tests.project.test_examples import FOLLOWED, examples
from tests.project.test_mining_pages import follow

DOCS = ROOT / "docs"
TEXT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_can_be_followed_and_prints_what_it_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text()
    follow(text)
    printed = capsys.readouterr().out
    for line in "".join(TEXT.findall(text)).splitlines():
        assert line in printed


def test_the_script_for_several_processes_runs_in_two(tmp_path: Path) -> None:
    text = (DOCS / "howto" / "several_gpus_and_hosts.md").read_text()
    assert "$ torchrun --nproc-per-node 2 train.py\n" in text
    (tmp_path / "train.py").write_text(examples(text)[0][1])
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "adapters"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    done = subprocess.run([*command, "train.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^together 0 +1 ", done.stdout, re.MULTILINE), done.stdout
    assert (tmp_path / "checkpoint.pt").exists()
