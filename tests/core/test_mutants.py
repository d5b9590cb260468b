"""The catalogue of mutants fits the source, and the check tells a caught mutant from one that survives."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.check import problems, run_tests, try_mutant
from tests.mutants.mutant import Mutant, apply, compile_pattern

PYTHON = """
def double(x):
    return 2 * x


class Lamp:
    def light(self):
        return 1

    def switch(self):
        return double(self.light())


class Candle:
    def light(self):
        return 2
"""
CPP = """
// int half(int x) { return x / 3; }
namespace lamps {
template <class T>
struct Lamp {
  explicit Lamp(T watts) : watts_(watts) {}
  T half() const noexcept {
    if (watts_ > 0) { return watts_ / 2; }
    return call("half(1) {");
  }
};
int half(int x) try { return x / 2; } catch (...) { return 0; }
}  // namespace lamps
"""
LAMP = Mutant("example", "lamps:double", "return 2 * x", "return 3 * x", "test_lamp.py")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, source in {
        "pyproject.toml": "[tool.pytest.ini_options]\n",
        "lamps/__init__.py": "",
        "lamps/lamp.py": PYTHON,
        "adapters/obrl_native/src/lamp.cc": CPP,
        "test_lamp.py": "from lamps.lamp import double\n\n\ndef test_double():\n    assert double(3) == 6\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    return tmp_path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_each_mutant_fits_the_source(mutant: Mutant) -> None:
    assert problems(mutant) == []


def test_there_are_at_most_fifty_and_each_part_has_some() -> None:
    assert len(MUTANTS) <= 50
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    packages = {re.split("[.:]", mutant.place)[0] for mutant in MUTANTS}
    assert packages == {"obrl", "obrl_torch", "obrl_jax", "obrl_tensorflow", "obrl_keras", "C++"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"place": "lamps:triple"}, "there is no lamps:triple"),
        ({"place": "lamps:light"}, "ambiguous"),
        ({"pattern": "return 4 * x"}, "occurs 0 times"),
        ({"pattern": "x"}, "occurs 2 times"),
        ({"replacement": "return 2 * x"}, "changes nothing"),
        ({"replacement": "return 2 *"}, "does not compile"),
        ({"test": "test_none.py"}, "there is no test_none.py"),
    ],
)
def test_a_mutant_that_does_not_fit_is_an_error(tree: Path, change: dict[str, str], message: str) -> None:
    assert problems(LAMP, tree) == []
    assert any(message in problem for problem in problems(replace(LAMP, **change), tree))


@pytest.mark.parametrize(
    ("place", "pattern", "replacement", "line"),
    [
        ("lamps:Lamp.light", "return 1", "return 3", "        return 3"),
        ("C++:Lamp::half", "watts_ / 2", "watts_ / 3", "    if (watts_ > 0) { return watts_ / 3; }"),
        ("C++:lamps::half", "x / 2", "x / 3", "int half(int x) try { return x / 3; } catch (...) { return 0; }"),
        ("C++:Lamp::Lamp", "watts_($x)", "watts_(0 * $x)", "  explicit Lamp(T watts) : watts_(0 * watts) {}"),
    ],
)
def test_a_fault_goes_into_its_function_alone(
    tree: Path, place: str, pattern: str, replacement: str, line: str
) -> None:
    path, changed = apply(replace(LAMP, place=place, pattern=pattern, replacement=replacement), tree)
    before, after = path.read_text().splitlines(), changed.splitlines()
    assert [new for old, new in zip(before, after, strict=True) if new != old] == [line]


@pytest.mark.parametrize(
    ("pattern", "source", "fits"),
    [
        ("f($a, $a)", "f(\n    x,\n    x)", True),
        ("f($a, $a)", "f(x, y)", False),
        ("a + b", "a+b", True),
        ("return a", "return  a", True),
        ("return a", "returna", False),
        ("a.b", "xa.b", False),
        ("a.b", "a.bc", False),
        ('x["a b"]', 'x["a b"]', True),
    ],
)
def test_patterns_see_neither_spaces_nor_names(pattern: str, source: str, fits: bool) -> None:
    assert (compile_pattern(pattern).search(source) is not None) == fits


@pytest.mark.parametrize(
    ("pattern", "replacement", "verdict"),
    [("2 * x", "x + x", "survived"), ("2 * x", "3 * x", "caught"), ("def double", "def triple", "broken")],
)
def test_verdicts(tree: Path, pattern: str, replacement: str, verdict: str) -> None:
    assert try_mutant(replace(LAMP, pattern=pattern, replacement=replacement), tree).verdict == verdict
    assert (tree / "lamps" / "lamp.py").read_text() == PYTHON


def test_native_code_that_does_not_build_is_not_a_caught_mutant(tree: Path) -> None:
    (tree / "test_lamp.py").write_text(
        "def test_build():\n    raise RuntimeError('lamp.cc:1:2: error: no such lamp')\n"
    )
    assert run_tests(tree, ["test_lamp.py"]).verdict == "broken"
