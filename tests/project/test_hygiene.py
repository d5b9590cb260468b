"""What no file of the repository may hold: paths of one machine, unfinished work, too much code."""

import ast
import re
from pathlib import Path

import pytest

from tests.project.helpers import ROOT, tracked_files

FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(root|work|home/\w+|Users/\w+|mnt|workspace)/|[A-Z]:\\Users"),
    "a mark of unfinished work": re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|lorem ipsum|work in progress", re.IGNORECASE),
    "a number of some tracker": re.compile(r"\bissue \d|(?<![\w/&])#\d{2,}\b(?![0-9a-f]*[\"';)])", re.IGNORECASE),
    "a merge conflict": re.compile(r"^(<{7}|>{7}) ", re.MULTILINE),
}
CUBINS = Path("adapters/obrl_native/cubins")
"""Compiled kernels, whose size `tests/cubins` bounds."""
LONGEST_MODULE = 300
"""Lines of code in a file; docstrings, comments and empty lines do not count."""


def findings(text):
    """What is forbidden in a text."""
    return {what: match.group() for what, pattern in FORBIDDEN.items() if (match := pattern.search(text))}


def text_files():
    """The repository's files that are text, without this one, which names what it forbids."""
    here = ROOT / "tests" / "project" / "test_hygiene.py"
    for path in tracked_files():
        if path == here:
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_holds_anything_forbidden():
    found = {str(path.relative_to(ROOT)): wrong for path, text in text_files() if (wrong := findings(text))}
    assert found == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("root = '/root/data'", "a path of one machine"),
        ("see /home/someone/x", "a path of one machine"),
        ("# TODO: later", "a mark of unfinished work"),
        ("as issue 12 says", "a number of some tracker"),
        ("fixes #123", "a number of some tracker"),
        ("<<<<<<< HEAD", "a merge conflict"),
    ],
)
def test_the_check_can_fail(text, what):
    assert set(findings(text)) == {what}


@pytest.mark.parametrize("text", ["path/root/x", "#1f77b4", "color: #123456;", "Eq. 12", "https://x.org/home/a/"])
def test_the_check_lets_ordinary_text_through(text):
    assert findings(text) == {}


def lines_of_code(source):
    """How many lines of a source are neither docstring, comment nor empty."""
    tree = ast.parse(source)
    strings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    return sum(
        number not in strings and bool(line.strip()) and not line.strip().startswith("#")
        for number, line in enumerate(source.splitlines(), start=1)
    )


def test_python_files_stay_readable():
    sizes = {str(path.relative_to(ROOT)): lines_of_code(text) for path, text in text_files() if path.suffix == ".py"}
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}


def test_lines_of_code_leave_out_what_explains_them():
    source = '"""A module.\n\nMore.\n"""\n\nimport re\n# why\nx = """text\nmore"""\n'
    assert lines_of_code(source) == 3


def test_files_are_small():
    large = {path.relative_to(ROOT) for path in tracked_files() if path.stat().st_size > 500_000}
    assert {str(path) for path in large if path.parent != CUBINS} == set()
