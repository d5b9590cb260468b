"""The pages about mining: examples and commands run in their order, on the table that the tutorial draws."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from obrl.mining.cli import main
from tests.project.helpers import ROOT
from tests.project.test_examples import FOLLOWED

PAGES = (
    *("mining.md", "mining_pairs.md", "mining_thresholds.md", "mining_after_training.md", "mining_export.md"),
    "mining_compare.md",
)
"""The tutorial first: its files are what the others read."""
TESTED_ELSEWHERE = {
    "monitoring.md",
    "mining_cluster.md",
    "mining_suspects.md",
    "mining_fill.md",
    "mining_formats.md",
    "mining_report.md",
    "report_a_bug.md",
}
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory in which the tutorial has been followed."""
    place = tmp_path_factory.mktemp("mined")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        follow((ROOT / "docs" / "mining" / "mining.md").read_text())
        with Path("train.csv").open(newline="") as file:
            ids = [row[0] for row in csv.reader(file)][1:]
        Path("people.txt").write_text("".join(f"{name} {number // 4}\n" for number, name in enumerate(ids)))
        yield place


def follow(text: str) -> None:
    """Run a page's examples in one namespace, and its commands, in their order."""
    namespace = {"__name__": "__main__"}
    for language, source in BLOCK.findall(text):
        if language == "python":
            exec(compile(source, "<page>", "exec"), namespace)
        else:
            run_commands(source)


def run_commands(source: str) -> None:
    """Run the lines of a block that start with a prompt."""
    for line in source.splitlines():
        if line.startswith("$ "):
            program, *arguments = shlex.split(line[2:])
            assert program == "obrl"
            assert main(arguments) == 0, line


def test_the_tutorial_leaves_what_it_says(folder: Path) -> None:
    for name in ("relation.npz", "pairs.csv", "labels.csv", "run.json", "report.html", "start.npz"):
        assert (folder / "mined" / name).stat().st_size
    for name in ("relation.png", "predicted.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert (folder / "suspects" / "suspects.csv").exists()


@pytest.mark.parametrize("page", PAGES[1:])
def test_a_page_can_be_followed(page: str, folder: Path) -> None:
    follow((ROOT / "docs" / "mining" / page).read_text())


def test_what_the_tutorial_shows_is_what_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "mining" / "mining.md").read_text()
    run_commands("$ obrl mine train.csv\n$ obrl thresholds mined\n$ obrl suspects train.csv --relation mined --out s\n")
    printed = capsys.readouterr().out
    for start in ("12 of 36", "beard     moustache   +", "suggestion: together", "1381  1380.jpg  bald"):
        (line,) = [line for line in text.splitlines() if line.startswith(start)]
        assert line in printed


def test_what_the_page_on_thresholds_shows_is_what_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "mining" / "mining_thresholds.md").read_text()
    follow(text)
    printed = capsys.readouterr().out
    (block,) = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for line in block.splitlines():
        assert line in printed


def test_what_the_page_on_changes_shows_is_what_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "mining" / "mining_compare.md").read_text()
    follow(text)
    printed = capsys.readouterr().out
    for block in re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            assert line in printed


def test_every_command_of_every_page_is_run_by_a_test() -> None:
    with_commands = {
        page.name for page in (ROOT / "docs").rglob("*.md") if re.search(r"^\$ obrl ", page.read_text(), re.MULTILINE)
    }
    assert with_commands == {*PAGES, *(Path(page).name for page in FOLLOWED), *TESTED_ELSEWHERE}


def test_the_command_of_the_readme_runs(folder: Path) -> None:
    lines = re.findall(r"^\$ obrl .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert lines == ["$ obrl mine labels.csv --out mined"]
    (folder / "labels.csv").write_bytes((folder / "train.csv").read_bytes())
    run_commands(lines[0])
