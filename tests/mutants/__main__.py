"""Seed every fault of the catalogue in turn; exit with 1 if one survives.

python -m tests.mutants [WORD ...]      only the mutants whose name holds one of the words
"""

from __future__ import annotations

import queue
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.check import Outcome, copy_tree, problems, run_tests, try_mutant, verify_imports

WORKERS = 2
UNCHANGED = "(nothing changed: must pass)"


def _row(name: str, verdict: str, seconds: float, by: str) -> str:
    return f"{name:55} {verdict:9} {seconds:6.1f} s  {by}"


def _check_all(mutants: tuple[Mutant, ...], folder: Path) -> dict[str, Outcome]:
    trees: queue.Queue[Path] = queue.Queue()
    for worker in range(WORKERS):
        tree = folder / str(worker)
        tree.mkdir()
        copy_tree(tree)
        trees.put(tree)
    verify_imports(folder / "0")

    def report(name: str, outcome: Outcome) -> tuple[str, Outcome]:
        print(_row(name, outcome.verdict, outcome.seconds, outcome.by), flush=True)
        return name, outcome

    def unchanged(tests: list[str]) -> Outcome:
        tree = trees.get()
        try:
            outcome = run_tests(tree, tests)
        finally:
            trees.put(tree)
        verdict = {"survived": "passed", "caught": "failed"}.get(outcome.verdict, outcome.verdict)
        return report(f"{UNCHANGED} {tests[0]}", Outcome(verdict, outcome.by, outcome.seconds))[1]

    def one(mutant: Mutant) -> tuple[str, Outcome]:
        tree = trees.get()
        try:
            return report(mutant.name, try_mutant(mutant, tree))
        finally:
            trees.put(tree)

    suites = _in_one_process({test for mutant in mutants for test in mutant.tests})
    with ThreadPoolExecutor(WORKERS) as pool:
        passing = list(pool.map(unchanged, suites))
        found = dict(pool.map(one, mutants))
    for number, outcome in enumerate(passing):
        found[f"{UNCHANGED} {number}"] = outcome
    return found


def _in_one_process(tests: set[str]) -> list[list[str]]:
    """The tests, grouped by what one process can run: the files of a folder, or a folder with options by itself."""
    groups: dict[str, list[str]] = {}
    for test in sorted(tests):
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
        outcomes = _check_all(mutants, Path(folder).resolve())
    caught = sum(outcome.verdict == "caught" for outcome in outcomes.values())
    passed = all(outcome.verdict == "passed" for name, outcome in outcomes.items() if name.startswith(UNCHANGED))
    print(f"{caught} of {len(mutants)} mutants caught in {time.monotonic() - started:.0f} s")
    if not passed:
        print("the tests fail without any mutant, so the check says nothing")
    return 0 if passed and caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
