"""What no file of the repository may contain: paths of one machine, unfinished work, too many lines, vague names."""

import ast
import re
from pathlib import Path

import pytest

from tests.mutants.places import without_comments
from tests.project.helpers import ROOT, tracked_files

FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(root|work|home/\w+|Users/\w+|mnt|workspace)/|[A-Z]:\\Users"),
    "a mark of unfinished work": re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|lorem ipsum|work in progress", re.IGNORECASE),
    "a number of some tracker": re.compile(r"\bissue \d|(?<![\w/&])#\d{2,}\b(?![0-9a-f]*[\"';)])", re.IGNORECASE),
    "a merge conflict": re.compile(r"^(<{7}|>{7}) ", re.MULTILINE),
}
CUBINS = Path("adapters/obrl_native/cubins")
"""Compiled kernels, whose size `tests/cubins` bounds."""
CODE = {".py", ".cc", ".h", ".cu", ".sh"}
LONGEST_FILE = 300
"""Lines of a file of code, with blank lines, comments and docstrings."""
VAGUE = {"found", "made", "own", "given", "kept"}
"""Participles that say what happened to a value, not what it is."""


def forbidden_in(text):
    """What is forbidden in a text, and the words."""
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


def code_files():
    """The files of code, with their paths in the repository."""
    for path in tracked_files():
        if path.suffix in CODE:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def vague_names(source):
    """The vague names that a Python source gives to functions, arguments, variables, attributes and modules."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.append((node.lineno, node.id if isinstance(node, ast.Name) else node.attr))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append((node.lineno, node.name))
        elif isinstance(node, ast.arg):
            names.append((node.lineno, node.arg))
        elif isinstance(node, ast.alias) and node.asname:
            names.append((node.lineno, node.asname))
    return sorted((line, name) for line, name in names if name.strip("_").lower() in VAGUE)


def vague_words(source):
    """The vague names in a source in C++."""
    return re.findall(rf"\b_?(?:{'|'.join(sorted(VAGUE))})_?\b", without_comments(source))


def test_no_file_contains_anything_forbidden():
    wrong = {str(path.relative_to(ROOT)): matches for path, text in text_files() if (matches := forbidden_in(text))}
    assert wrong == {}


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
    assert set(forbidden_in(text)) == {what}


@pytest.mark.parametrize("text", ["path/root/x", "#1f77b4", "color: #123456;", "Eq. 12", "https://x.org/home/a/"])
def test_the_check_lets_ordinary_text_through(text):
    assert forbidden_in(text) == {}


def test_no_file_of_code_is_long():
    sizes = {str(path): len(text.splitlines()) for path, text in code_files()}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FILE} == {}


def test_names_say_what_a_value_is():
    readers = {".py": vague_names, ".cc": vague_words, ".h": vague_words}
    sources = [(str(path), text, readers[path.suffix]) for path, text in code_files() if path.suffix in readers]
    assert {path: names for path, text, read in sources if (names := read(text))} == {}


def test_every_kind_of_a_vague_name_is_reported():
    source = (
        "import os as found\ndef made(given): pass\nclass Kept: pass\nself._own = 1\nfor found in x: pass\n"
        "kept: int = 1\nf = lambda own: own\nfrom x import given\ny = given(found_all=kept.made)\n"
    )
    names = ["found", "given", "made", "Kept", "_own", "found", "kept", "own"]
    assert vague_names(source) == sorted(zip([1, 2, 2, 3, 4, 5, 6, 7], names, strict=True))
    assert vague_words('int given_ = found; // kept\nmade_of(call("own"));') == ["given_", "found"]


def test_files_are_small():
    large = {path.relative_to(ROOT) for path in tracked_files() if path.stat().st_size > 500_000}
    assert {str(path) for path in large if path.parent != CUBINS} == set()
