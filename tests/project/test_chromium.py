"""Chromium is looked for in one place, and its absence stops no test that needs no browser."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.helpers import ROOT
from tools.chromium import NAMES, chromium_path, main


def program(folder: Path, name: str) -> str:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_looked_for(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OBRL_CHROMIUM", raising=False)
    with pytest.raises(FileNotFoundError, match=r"chromium-browser, .*apt-get install chromium"):
        chromium_path()
    path = program(tmp_path, name)
    assert chromium_path() == path


def test_the_variable_comes_first(tmp_path, monkeypatch, capsys):
    program(tmp_path, "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("OBRL_CHROMIUM", program(tmp_path, "other"))
    assert main() == 0
    assert capsys.readouterr().out == f"{tmp_path / 'other'}\n"
    monkeypatch.setenv("OBRL_CHROMIUM", str(tmp_path / "absent"))
    assert main() == 1
    assert "absent' that OBRL_CHROMIUM names" in capsys.readouterr().err


def test_make_goes_on_to_the_tests_where_it_cannot_be_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("OBRL_CHROMIUM", str(tmp_path / "absent"))
    command = ["make", "--no-print-directory", "browser", f"BIN={Path(sys.executable).parent}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "the tests of the report need Chromium" in result.stderr
    dry = subprocess.run(["make", "--dry-run", "suite-report"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "-m tools.chromium" in dry.stdout
    assert "npm" not in dry.stdout
