"""Copy the tree, put one fault into it, run the test that must fail, and say whether it did."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant, MutantError, apply, split_test
from tests.project.helpers import ROOT, tracked_files

PACKAGES = ("obrl", "obrl_native", "obrl_torch", "obrl_jax", "obrl_keras", "obrl_tensorflow", "tests")
SECONDS = 900
FAILED, PASSED = 1, 0  # pytest's exit codes; others mean that it could not run the tests
DOES_NOT_BUILD = re.compile(r"BuildError|: error: ")
"""What a run prints where the native code does not compile: then no test has seen the fault."""


@dataclass(frozen=True)
class Outcome:
    """The end of a run of tests.

    Attributes:
        verdict: "caught", "survived" or "broken" (the tests could not be run).
        by: the test that failed first, or why the tests could not be run.
        seconds: how long the run took.
    """

    verdict: str
    by: str
    seconds: float


def problems(mutant: Mutant, root: Path = ROOT) -> list[str]:
    """Why a mutant does not fit the tree: its place, its pattern, its replacement or its test."""
    errors = []
    try:
        apply(mutant, root)
    except MutantError as error:
        errors.append(str(error))
    path = split_test(mutant.test)[1][0]
    if not (root / path).exists():
        errors.append(f"{mutant.name}: there is no {path}")
    return errors


def copy_tree(target: Path) -> None:
    """Copy the repository's files."""
    for path in tracked_files():
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def environment(tree: Path) -> dict[str, str]:
    """An environment in which Python imports the copy, even where obrl is installed."""
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
    """Raise RuntimeError unless Python would import the packages of the copy."""
    program = f"from importlib.util import find_spec\nfor name in {PACKAGES}:\n    print(find_spec(name).origin)"
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=True)
    for path in finished.stdout.splitlines():
        if not Path(path).is_relative_to(tree):
            raise RuntimeError(f"expected packages under the copy {tree}, got {path}")


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
    output = finished.stdout + finished.stderr
    if finished.returncode == PASSED:
        return Outcome("survived", "", seconds)
    failed = re.search(r"^FAILED (\S+)", finished.stdout, re.MULTILINE)
    if finished.returncode != FAILED or failed is None or DOES_NOT_BUILD.search(output):
        return Outcome("broken", output.strip()[-600:], seconds)
    return Outcome("caught", failed.group(1), seconds)


def try_mutant(mutant: Mutant, tree: Path) -> Outcome:
    """Put a fault into a copy, run its test, and take the fault out again."""
    path, changed = apply(mutant, tree)
    source = path.read_text(encoding="utf-8")
    path.write_text(changed, encoding="utf-8")
    try:
        return run_tests(tree, [mutant.test])
    finally:
        path.write_text(source, encoding="utf-8")
