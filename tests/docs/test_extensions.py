"""The site's own extensions: docstrings as they are meant, formulas as MathML, and names without an example."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from docutils import nodes

from tests.docs.conftest import build
from tests.project.helpers import ROOT

sys.path.insert(0, str(ROOT / "docs" / "ext"))
from coverage_check import without_example
from docstrings import as_written
from mathml import mathml


def test_a_formula_of_a_docstring_keeps_its_lines() -> None:
    lines = ["L is a sum:", "", "    a = 1", "    b = 2", "", "with a", "and b."]
    assert as_written(lines) == ["L is a sum:", "", "::", "", *lines[2:]]


@pytest.mark.parametrize(
    "lines",
    [
        ["Args:", "    x: one", "        and more.", "", "    y: two."],
        ["As code::", "", "    a = 1"],
        ["Example:", "    >>> 1", "    1", "", "    >>> 2", "    2"],
        ["First.", "", "    >>> 1", "    1"],
        ["First.", "Second."],
    ],
)
def test_other_lines_of_a_docstring_stay(lines: list[str]) -> None:
    assert as_written(lines) == lines


def test_an_argument_that_is_one_letter_is_no_list() -> None:
    assert as_written(["Args:", "    num_labels: M.", "    x: M. Then more."]) == [
        "Args:",
        r"    num_labels: \M.",
        r"    x: \M. Then more.",
    ]


def test_formulas_are_mathml() -> None:
    inline = mathml(nodes.math(text=r"\frac{1}{K} \sum_k x_k"), block=False)
    assert inline.startswith("<math") and "<mfrac>" in inline and 'display="block"' not in inline
    assert 'display="block"' in mathml(nodes.math_block(text=r"\bigl(x\bigr)"), block=True)


def test_a_formula_that_cannot_be_read_is_shown_and_reported(tmp_path) -> None:
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'docs' / 'ext')!r})\n"
        "extensions = ['mathml']\nhtml_math_renderer = 'mathml'\n"
    )
    (tmp_path / "index.rst").write_text("Title\n=====\n\n:math:`\\unheard < 1`\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert "formula that cannot be written as MathML" in done.stderr
    assert r"<code>\unheard &lt; 1</code>" in (tmp_path / "out" / "index.html").read_text()


@pytest.fixture
def example_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with a function that has an example, one that its module shows, and one that a page may show."""
    module = ModuleType("library.example", "Text.\n\n>>> second(1)\n1\n")
    program = (
        'def first():\n    """Text.\n\n    >>> first()\n    """\n'
        'def second():\n    """Text."""\n'
        'def third():\n    """Text."""\n'
    )
    exec(program, vars(module))
    module.__dict__["__all__"] = ["first", "second", "third"]
    monkeypatch.setitem(sys.modules, "library", ModuleType("library"))
    monkeypatch.setitem(sys.modules, "library.example", module)
    return module


def test_a_name_without_an_example_is_reported(example_module: ModuleType) -> None:
    page = "```python\nfrom library.example import third\n\nthird()\n```\n"
    assert without_example(["library.example"]) == ["library.example.third"]
    assert without_example(["library.example"], [page]) == []
    assert without_example(["library.example"], [page.replace("example", "other")]) == ["library.example.third"]
    assert without_example(["library.example"], ["third"]) == ["library.example.third"]
