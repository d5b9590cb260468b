"""What `compare` says of tables of which the truth is known: random parts of one table, and labels turned round.

Rows are split at random, so that nothing changed; people likewise, with all their pictures; and in one part the meaning
of labels is turned round, so that exactly their pairs changed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.compare_report import markdown, misses
from benchmarks.evidence.tables import read_attributes, read_labels, read_people
from benchmarks.report import commit, machine
from obrl.mining import RelationMiner, TableComparison, compare

Labels = NDArray[np.uint8]

TABLES = ("emotions", "yeast", "bibtex", "delicious", "celeba")
TURNED_TABLES = ("yeast", "celeba")
SHARES = (0.5, 0.1)
"""Of the rows in the second part: half, and few."""
SEVERAL = 3
"""Labels that are turned round together, beside each label alone."""
CLEAR_PHI = 0.1


def split(labels: Labels, second: NDArray[np.bool_], people: NDArray[np.str_] | None = None) -> TableComparison:
    """Compare the rows that are not in the second part with those that are."""
    sides = (RelationMiner().fit(labels[at], None if people is None else people[at]) for at in (~second, second))
    return compare(*sides)


def random_rows(labels: Labels, share: float, seed: int) -> TableComparison:
    """Two random parts of the rows."""
    return split(labels, np.random.default_rng(seed).random(len(labels)) < share)


def random_people(labels: Labels, people: NDArray[np.str_], seed: int, *, grouped: bool) -> TableComparison:
    """Two random halves of the people, with their rows; `grouped` tells `compare` of them."""
    names, person = np.unique(people, return_inverse=True)
    half = np.random.default_rng(seed).permutation(len(names)) < len(names) // 2
    return split(labels, half[person], people if grouped else None)


def turned_round(labels: Labels, turned: list[int], seed: int) -> dict[str, int]:
    """Two random halves, in the second of which some labels mean their opposite.

    Returns:
        How many supported pairs with a phi beyond .1, on both sides and in the whole table, changed, and how many of
        those were called changed; how many were called changed in all, and of those how many did not change; and
        whether exactly the labels that were turned round are named.
    """
    second = np.random.default_rng(seed).random(len(labels)) < 0.5
    changed = labels.copy()
    for label in turned:
        changed[second, label] = 1 - changed[second, label]
    result = split(changed, second)
    touched = np.isin(result.i, turned) ^ np.isin(result.j, turned)
    clear = np.minimum(np.abs(result.phi_a), np.abs(result.phi_b)) > CLEAR_PHI
    phi = RelationMiner().fit(labels).phi_[result.i, result.j]
    named = result.changed()
    expected, in_whole = touched & result.supported & clear, touched & result.supported & (np.abs(phi) > CLEAR_PHI)
    return {
        "expected": int(expected.sum()),
        "expected_named": int((expected & named).sum()),
        "expected_in_whole": int(in_whole.sum()),
        "expected_in_whole_named": int((in_whole & named).sum()),
        "named": int(named.sum()),
        "named_wrongly": int((named & ~touched).sum()),
        "labels_turned": len(turned),
        "labels_named": len({each.label for each in result.inverted} & set(turned)),
        "labels_named_wrongly": len({each.label for each in result.inverted} - set(turned)),
    }


def cases(num_labels: int, seed: int) -> Iterator[list[int]]:
    """The labels that are turned round: each alone, and as many random sets of three."""
    yield from ([label] for label in range(num_labels))
    rng = np.random.default_rng(seed)
    for _ in range(num_labels):
        yield sorted(rng.choice(num_labels, SEVERAL, replace=False).tolist())


def below_5_percent(result: TableComparison) -> float:
    """The share of the supported pairs with a p of at most .05."""
    return float((result.p[result.supported] <= 0.05).mean())


def measure_rows(labels: Labels, seeds: int) -> list[dict[str, Any]]:
    """The pairs called changed between random parts of a table."""
    figures = []
    for share in SHARES:
        results = [random_rows(labels, share, seed) for seed in range(seeds)]
        figures.append(
            {
                "share": share,
                "pairs": len(results[0]),
                "supported": [int(result.supported.sum()) for result in results],
                "changed": [int(result.changed().sum()) for result in results],
                "p_below_5_percent": [below_5_percent(result) for result in results],
            }
        )
    return figures


def measure_turned(labels: Labels, seeds: int) -> dict[str, Any]:
    """The sums over all cases, and the largest share of pairs that were named wrongly in one."""
    each = [turned_round(labels, turned, seed) for seed in range(seeds) for turned in cases(labels.shape[1], seed)]
    worst = max(case["named_wrongly"] / max(case["named"], 1) for case in each)
    return {"cases": len(each), "worst_share_wrong": worst, **{name: sum(c[name] for c in each) for name in each[0]}}


def main(arguments: list[str]) -> int:
    """Print the figures; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence compare", description=__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder with NAME.npz and celeba/")
    parser.add_argument("--people", type=Path, help="folder with list_attr_celeba.txt and identity_CelebA.txt")
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.md")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    document: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "seeds": options.seeds,
        "rows": {},
        "turned": {},
    }
    for name in options.tables:
        labels = read_labels(options.labels, name).astype(np.uint8)
        document["rows"][name] = measure_rows(labels, options.seeds)
        print(name, document["rows"][name], flush=True)
        if name in TURNED_TABLES:
            document["turned"][name] = measure_turned(labels, min(options.seeds, 2 if name == "celeba" else 5))
            print(name, document["turned"][name], flush=True)
    if options.people is not None:
        ids, labels = read_attributes(options.people / "list_attr_celeba.txt")
        people = read_people(options.people / "identity_CelebA.txt", ids)
        halves = {
            grouped: [random_people(labels, people, seed, grouped=grouped) for seed in range(options.seeds)]
            for grouped in (True, False)
        }
        document["people"] = {
            "number": len(np.unique(people)),
            "pairs": len(halves[True][0]),
            "changed": [int(result.changed().sum()) for result in halves[True]],
            "changed_without_groups": [int(result.changed().sum()) for result in halves[False]],
            "p_below_5_percent": [below_5_percent(result) for result in halves[True]],
            "p_below_5_percent_without_groups": [below_5_percent(result) for result in halves[False]],
        }
    document["seconds"] = time.perf_counter() - start
    if options.out is not None:
        options.out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
        options.out.with_suffix(".md").write_text(markdown(document))
    print(markdown(document))
    return int(bool(misses(document)))
