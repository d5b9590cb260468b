"""The catalogue of mutants still fits the source, and the check tells a caught one from a surviving one."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.check import problems, run_tests, seed


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_the_snippet_occurs_once(mutant: Mutant) -> None:
    """And Python and plain C++ compile; `python -m tests.mutants` looks at all of them."""
    assert problems(mutant, with_frameworks=False) == []


def test_there_are_twenty_in_core_and_adapter() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for folder in ("obrl/", "adapters/"):
        assert any(mutant.file.startswith(folder) for mutant in MUTANTS)


def test_a_bad_mutant_of_native_code_is_reported() -> None:
    good = next(mutant for mutant in MUTANTS if mutant.file.endswith(".cc"))
    assert any("does not compile" in problem for problem in problems(replace(good, replacement="if (")))


def test_a_bad_mutant_is_reported() -> None:
    good = MUTANTS[0]
    for change, word in (
        ({"snippet": "no such line"}, "0 times"),
        ({"snippet": "return"}, "times"),
        ({"replacement": good.snippet}, "changes nothing"),
        ({"replacement": "if ("}, "does not compile"),
        ({"tests": ("tests/core/test_none.py",)}, "there is no"),
    ):
        assert any(word in problem for problem in problems(replace(good, **change)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "lamp.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "test_lamp.py").write_text(
        "from lamp import double\n\n\ndef test_double():\n    assert double(3) == 6\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("snippet", "replacement", "verdict"),
    [
        ("2 * x", "x + x", "survived"),
        ("2 * x", "3 * x", "caught"),
        ("def double", "def triple", "broken"),
    ],
)
def test_verdicts(tree: Path, snippet: str, replacement: str, verdict: str) -> None:
    mutant = Mutant("example", "lamp.py", snippet, replacement, ("test_lamp.py",))
    before = seed(mutant, tree)
    assert (tree / "lamp.py").read_text() != before
    assert run_tests(tree, mutant.tests).verdict == verdict
