"""Try every mutant of the catalogue in turn; exit with 1 if one survives.

python -m tests.mutants [WORD ...]      only the mutants whose name contains one of the words
"""

from __future__ import annotations

import queue
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.check import Outcome, copy_tree, problems, run_tests, try_mutant, verify_imports
from tests.mutants.mutant import Mutant

WORKERS = 2


def _check_all(mutants: tuple[Mutant, ...], folder: Path) -> tuple[list[Outcome], list[Outcome]]:
    """The outcomes of the unchanged tree, and of every mutant; each worker has a copy of the tree."""
    trees: queue.Queue[Path] = queue.Queue()
    for worker in range(WORKERS):
        tree = folder / str(worker)
        tree.mkdir()
        copy_tree(tree)
        trees.put(tree)
    verify_imports(folder / "0")

    def run(name: str, tests: Callable[[Path], Outcome]) -> Outcome:
        tree = trees.get()
        try:
            outcome = tests(tree)
        finally:
            trees.put(tree)
        print(f"{name:60} {outcome.verdict:9} {outcome.seconds:6.1f} s  {outcome.by}\n", end="", flush=True)
        return outcome

    def unchanged(tests: list[str]) -> Outcome:
        return run(f"unchanged, must survive: {tests[0]}", lambda tree: run_tests(tree, tests))

    def changed(mutant: Mutant) -> Outcome:
        return run(mutant.name, lambda tree: try_mutant(mutant, tree))

    with ThreadPoolExecutor(WORKERS) as pool:
        before = list(pool.map(unchanged, _in_one_process(mutant.test for mutant in mutants)))
        return before, list(pool.map(changed, mutants))


def _in_one_process(tests: Iterable[str]) -> list[list[str]]:
    """The tests, grouped by what one process can run: the files of a folder, or a test with options by itself."""
    groups: dict[str, list[str]] = {}
    for test in sorted(set(tests)):
        groups.setdefault(test if " " in test else str(Path(test).parent), []).append(test)
    return list(groups.values())


def main(words: list[str]) -> int:
    """Run the check; the exit status."""
    mutants = tuple(mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words))
    wrong = [problem for mutant in mutants for problem in problems(mutant)]
    if wrong or not mutants:
        print("\n".join(wrong) or f"no mutant is named like {', '.join(words)}")
        return 1
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        before, after = _check_all(mutants, Path(folder).resolve())
    caught = sum(outcome.verdict == "caught" for outcome in after)
    passed = all(outcome.verdict == "survived" for outcome in before)
    print(f"{caught} of {len(mutants)} mutants caught in {time.monotonic() - started:.0f} s")
    if not passed:
        print("the tests fail without any mutant, so the check says nothing")
    return 0 if passed and caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
