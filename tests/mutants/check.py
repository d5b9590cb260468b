"""Copy the tree, seed one fault, run the tests that must notice, and say which did."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from obrl_native.build import find_compiler
from tests.mutants.catalogue import Mutant
from tests.mutants.mutant import split_test

ROOT = Path(__file__).parents[2]
COPIED = ("obrl", "adapters", "tests", "pyproject.toml")
SECONDS = 900
FAILED, PASSED = 1, 0  # pytest's exit codes; others mean that it could not run the tests


@dataclass(frozen=True)
class Outcome:
    """What became of one run of tests.

    Attributes:
        verdict: "caught", "survived" or "broken" (the tests could not be run).
        by: the test that failed first, or what went wrong.
        seconds: how long it took.
    """

    verdict: str
    by: str
    seconds: float


HEADERS = {"jaxlib": "jaxlib/include", "tensorflow-cpu": "tensorflow/include"}
"""Of frameworks, by their distributions: what sources in C++ may include."""

OF_FRAMEWORKS = ("jax_", "tensorflow_")
"""How the names of those begin that do."""


def problems(mutant: Mutant, root: Path = ROOT, *, with_frameworks: bool = True) -> list[str]:
    """What is wrong with a mutant itself: a snippet that is not there once, or source that does not compile.

    `with_frameworks`: whether that is tried of sources that include a framework's headers, too, which takes seconds.
    """
    source = (root / mutant.file).read_text(encoding="utf-8")
    found = []
    if (count := source.count(mutant.snippet)) != 1:
        found.append(f"{mutant.name}: the snippet occurs {count} times in {mutant.file}")
    if mutant.snippet == mutant.replacement:
        found.append(f"{mutant.name}: the replacement changes nothing")
    is_of_framework = Path(mutant.file).name.startswith(OF_FRAMEWORKS)
    if (with_frameworks or not is_of_framework) and (
        error := syntax_error(source.replace(mutant.snippet, mutant.replacement), root / mutant.file)
    ):
        found.append(f"{mutant.name}: the mutated {mutant.file} does not compile: {error}")
    paths = [split_test(test)[1][0] for test in mutant.tests]
    found += [f"{mutant.name}: there is no {path}" for path in paths if not (root / path).exists()]
    return found


def syntax_error(source: str, path: Path) -> str:
    """What a compiler says of a source in Python or C++ that would stand in a file; nothing where it compiles."""
    if path.suffix in (".cc", ".h"):
        headers = (path.parent, *(distribution(name).locate_file(folder) for name, folder in HEADERS.items()))
        command = [*find_compiler(), "-std=c++17", "-fsyntax-only", "-w", *(f"-I{path}" for path in headers)]
        command += ["-x", "c++", "-"]
        ended = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        return ended.stderr if ended.returncode else ""
    try:
        compile(source, path, "exec")
    except SyntaxError as error:
        return str(error)
    return ""


def copy_tree(target: Path) -> None:
    """Copy what the tests need."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".hypothesis")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy2(source, target / name)


def environment(tree: Path) -> dict[str, str]:
    """An environment in which the copy is imported, whatever is installed."""
    paths = os.pathsep.join([str(tree), str(tree / "adapters")])
    return {
        **os.environ,
        "PYTHONPATH": paths,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "quick",
        "OMP_NUM_THREADS": "1",
        "OBRL_CACHE": str(tree / "cache"),
    }


def verify_imports(tree: Path) -> None:
    """Raise RuntimeError unless Python imports the packages of the copy."""
    names = ("obrl", "obrl_native", "obrl_torch", "obrl_jax", "obrl_keras", "obrl_tensorflow", "tests")
    program = f"import {', '.join(names)}; print({', '.join(f'{name}.__file__' for name in names)}, sep='\\n')"
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        check=True,
    )
    for line in finished.stdout.split("\n")[:-1]:
        if not Path(line).is_relative_to(tree):
            raise RuntimeError(f"expected packages under the copy {tree}, got {line}")


def run_tests(tree: Path, tests: Sequence[str]) -> Outcome:
    """Run tests in a copy, up to the first failure."""
    started = time.monotonic()
    variables, words = split_test(" ".join(tests))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider"]
    try:
        finished = subprocess.run(
            [*command, *words],
            cwd=tree,
            env={**environment(tree), **variables},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Outcome("broken", f"no end within {SECONDS} s", time.monotonic() - started)
    seconds = time.monotonic() - started
    if finished.returncode == PASSED:
        return Outcome("survived", "", seconds)
    failed = re.search(r"^FAILED (\S+)", finished.stdout, re.MULTILINE)
    if finished.returncode != FAILED or failed is None:
        return Outcome("broken", (finished.stdout + finished.stderr).strip()[-600:], seconds)
    return Outcome("caught", failed.group(1), seconds)


def seed(mutant: Mutant, tree: Path) -> str:
    """Put a fault into a copy; return the source that was there."""
    path = tree / mutant.file
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace(mutant.snippet, mutant.replacement), encoding="utf-8")
    return source


def try_mutant(mutant: Mutant, tree: Path) -> Outcome:
    """Seed a fault, run its tests one file after the other until one fails, and take the fault out again."""
    source = seed(mutant, tree)
    seconds = 0.0
    try:
        for test in mutant.tests:
            outcome = run_tests(tree, [test])
            seconds += outcome.seconds
            if outcome.verdict != "survived":
                break
    finally:
        (tree / mutant.file).write_text(source, encoding="utf-8")
    return Outcome(outcome.verdict, outcome.by, seconds)
