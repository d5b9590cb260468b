"""Every Python example of the README, the contributors' guide and the documentation runs, and so do the doctests."""

import doctest
import inspect
import pkgutil
import re
from importlib import import_module

import pytest

from tests.project.helpers import ROOT, run_python

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCTEST_PACKAGES = ("obrl", "obrl_torch", "obrl_jax", "benchmarks", "reference_model")


def examples(text):
    """The Python blocks of a page, with the line where each starts."""
    return [(text[: match.start()].count("\n") + 2, match.group(1)) for match in FENCE.finditer(text)]


def backends(source):
    """The backends of Keras that an example is for; None for one that does not use Keras."""
    if "obrl.keras" in source:
        return ["tensorflow", "jax", "torch"]
    return ["tensorflow"] if re.search(r"\b(keras|tensorflow)\b", source) else [None]


def of_pages(pages):
    """The examples of pages: the plain ones, and those that need TensorFlow or a backend of Keras, by page and backend.

    A page's examples for one backend run in one process, most of whose time is TensorFlow's import.
    """
    plain, apart = {}, {}
    for page in pages:
        name = str(page.relative_to(ROOT))
        for line, source in examples(page.read_text()):
            for backend in backends(source)[: None if page.name == "README.md" else 1]:
                if backend is None:
                    plain[f"{name}:{line}"] = source
                else:
                    apart.setdefault((name, backend), {})[f"{name}:{line}"] = source
    return plain, apart


PLAIN, APART = of_pages(page for page in PAGES if "_build" not in page.parts)


def modules_of(package):
    """The names of a package's modules."""
    found = import_module(package)
    yield package
    for entry in pkgutil.walk_packages(getattr(found, "__path__", ()), f"{package}."):
        if package in ALONE or entry.name not in ALONE:
            yield entry.name


ALONE = (
    *("obrl.keras", "obrl_keras", "obrl.tensorflow", "obrl_tensorflow"),
    *("benchmarks.tensorflow_peers", "benchmarks.tensorflow_steps"),
)
"""Modules that take a process of their own: with TensorFlow in it, compiling with torch would abort it."""


class Finder(doctest.DocTestFinder):
    """Finds the methods of a class also where it names the module that its users import it from."""

    def _from_module(self, module, item):
        is_method = inspect.isfunction(item) and "." in item.__qualname__
        return is_method or super()._from_module(module, item)


def doctests(package):
    """Every doctest of a package, by name."""
    found = {}
    for name in modules_of(package):
        if not name.endswith("__main__"):
            found |= {test.name: test for test in Finder(exclude_empty=True).find(import_module(name), name)}
    return {name: test for name, test in found.items() if test.examples}


def run_doctest(test):
    """Run a doctest; raises AssertionError with what differs."""
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    results = runner.run(test, out=said.append)
    assert results.failed == 0, f"{test.name}\n" + "".join(said)


def run_example(source, name="<example>"):
    """Run a block in a namespace of its own."""
    exec(compile(source, name, "exec"), {"__name__": "__main__"})


@pytest.mark.filterwarnings("ignore:.*isinstance\\(treespec, LeafSpec\\):FutureWarning")  # Lightning's own
@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")  # advice to its user
@pytest.mark.parametrize("name", PLAIN)
def test_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_example(PLAIN[name], name)


@pytest.mark.parametrize(("page", "backend"), APART)
def test_examples_run_in_a_process_of_their_own(page, backend, tmp_path, monkeypatch):
    """Keras chooses its backend once, and TensorFlow aborts torch's compiler."""
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    run_python(
        "from tests.project.test_examples import run_example\n"
        f"for name, source in {APART[page, backend]!r}.items():\n"
        "    run_example(source, name)\n",
        cwd=tmp_path,
    )


def test_examples_are_found_and_can_fail():
    page = "text\n```python\nx = 1\n```\n```text\nno\n```\n```python\nassert x\n```\n"
    assert examples(page) == [(3, "x = 1\n"), (9, "assert x\n")]
    with pytest.raises(NameError):
        run_example(examples(page)[1][1])


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md", "docs/numpy.md", "docs/relation.md"])
def test_the_main_pages_have_examples(page):
    assert examples((ROOT / page).read_text())


@pytest.mark.parametrize("package", DOCTEST_PACKAGES)
def test_doctests_pass(package):
    for test in doctests(package).values():
        run_doctest(test)


def test_doctests_pass_in_a_process_of_their_own():
    found = run_python(
        "from tests.project.test_examples import ALONE, doctests, run_doctest\n"
        "for test in [test for name in ALONE for test in doctests(name).values()]:\n"
        "    run_doctest(test)\n"
        "    print(test.name)\n"
    )
    assert "obrl.tensorflow.OBRLoss" in found.split()


def test_doctests_are_found():
    found = {**doctests("obrl"), **doctests("benchmarks")}
    assert {"obrl.OBRLoss", "obrl.count_pairs", "obrl.torch.OBRLoss", "benchmarks.labels.plan_blocks"} <= set(found)


def test_a_doctest_can_fail():
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    with pytest.raises(AssertionError, match="wrong"):
        run_doctest(test)
