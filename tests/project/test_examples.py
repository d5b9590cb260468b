"""Every Python example of the README, the contributors' guide and the documentation runs, and so do the doctests."""

import doctest
import inspect
import os
import pkgutil
import re
from importlib import import_module

import pytest

from tests.project.helpers import ROOT, run_python

FOLLOWED = (
    *("howto/choose_thresholds.md", "howto/find_wrong_labels.md", "howto/label_studio.md", "howto/start_from_mined.md"),
    *("howto/watch_drift.md", "start/first_relation.md"),
)
WITH_COMMANDS = {
    *(ROOT / "docs" / "mining" / page for page in ("mining.md", "mining_cluster.md", "mining_compare.md")),
    *(ROOT / "docs" / page for page in FOLLOWED),
}
"""Pages whose examples go on from their commands; `test_mining_pages.py`, `test_cluster_page.py` and
`test_howto_pages.py` run both."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted({*(ROOT / "docs").rglob("*.md")} - WITH_COMMANDS)]
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


def by_backend(pages):
    """The examples of pages, by the backend of Keras that they need; under None those without Keras and TensorFlow.

    The README's run with every backend, those of other pages with one.
    """
    sources = {}
    for page in pages:
        for line, source in examples(page.read_text()):
            for backend in backends(source)[: None if page.name == "README.md" else 1]:
                sources.setdefault(backend, {})[f"{page.relative_to(ROOT)}:{line}"] = source
    return sources


EXAMPLES = by_backend(page for page in PAGES if "_build" not in page.parts)


def modules_of(package):
    """The names of a package's modules."""
    module = import_module(package)
    yield package
    for entry in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{package}."):
        if package in WITH_TENSORFLOW or entry.name not in WITH_TENSORFLOW:
            yield entry.name


WITH_TENSORFLOW = (
    *("obrl.keras", "obrl_keras", "obrl.tensorflow", "obrl_tensorflow"),
    *("benchmarks.tensorflow_peers", "benchmarks.tensorflow_steps"),
)
"""Modules that import TensorFlow: in a process that has imported it, compiling with torch aborts."""


class Finder(doctest.DocTestFinder):
    """Also finds the methods of a class whose `__module__` is the module that users import it from."""

    def _from_module(self, module, item):
        is_method = inspect.isfunction(item) and "." in item.__qualname__
        return is_method or super()._from_module(module, item)


def doctests(package):
    """Every doctest of a package, by name."""
    names = [name for name in modules_of(package) if not name.endswith("__main__")]
    tests = [test for name in names for test in Finder(exclude_empty=True).find(import_module(name), name)]
    return {test.name: test for test in tests if test.examples}


def run_doctest(test):
    """Run a doctest; raises AssertionError with what differs."""
    output = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    results = runner.run(test, out=output.append)
    assert results.failed == 0, f"{test.name}\n" + "".join(output)


def run_example(source, name="<example>"):
    """Run a block in a new namespace."""
    exec(compile(source, name, "exec"), {"__name__": "__main__"})


@pytest.mark.filterwarnings("ignore:.*isinstance\\(treespec, LeafSpec\\):FutureWarning")  # Lightning's own
@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")  # advice to its user
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's compiler, of itself
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # likewise
@pytest.mark.parametrize("name", EXAMPLES[None])
def test_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_example(EXAMPLES[None][name], name)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_examples_of_keras_and_tensorflow_run(backend, tmp_path, monkeypatch):
    """One process a backend, because Keras chooses its backend once; with TensorFlow's, the doctests that import it."""
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    packages = WITH_TENSORFLOW if backend == "tensorflow" else ()
    names = run_python(
        "from tests.project.test_examples import doctests, run_doctest, run_example\n"
        f"for name, source in {EXAMPLES[backend]!r}.items():\n"
        "    run_example(source, name)\n"
        f"for test in [test for package in {packages} for test in doctests(package).values()]:\n"
        "    run_doctest(test)\n"
        "    print(test.name)\n",
        cwd=tmp_path,
    )
    assert backend != "tensorflow" or "obrl.tensorflow.OBRLoss" in names.split()


def test_examples_are_read_from_a_page_and_can_fail():
    page = "text\n```python\nx = 1\n```\n```text\nno\n```\n```python\nassert x\n```\n"
    assert examples(page) == [(3, "x = 1\n"), (9, "assert x\n")]
    with pytest.raises(NameError):
        run_example(examples(page)[1][1])


@pytest.mark.parametrize(
    "page", ["README.md", "docs/guides/torch.md", "docs/guides/numpy.md", "docs/explanation/relation.md"]
)
def test_the_main_pages_have_examples(page):
    assert examples((ROOT / page).read_text())


@pytest.mark.parametrize("package", DOCTEST_PACKAGES)
def test_doctests_pass(package):
    for test in doctests(package).values():
        run_doctest(test)


def test_doctests_are_read_from_every_module():
    names = {*doctests("obrl"), *doctests("benchmarks")}
    assert {"obrl.OBRLoss", "obrl.count_pairs", "obrl.torch.OBRLoss", "benchmarks.labels.plan_blocks"} <= names


def test_a_doctest_can_fail():
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    with pytest.raises(AssertionError, match="wrong"):
        run_doctest(test)
