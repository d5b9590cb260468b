"""Pairs called related in real label tables after each column was permuted, so that none is."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from obrl import count_pairs
from obrl.counts import PairCounts
from obrl.significance import benjamini_hochberg, mid_p

TABLES = ("bibtex", "delicious")
MOST_PAIRS = 1


def permuted(targets: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The table with each column in an order of its own."""
    return rng.permuted(targets, axis=0)


def related(targets: NDArray[np.uint8]) -> tuple[int, int, float]:
    """The pairs with q <= .05, the pairs tested, and the seconds that the tests take."""
    counts = count_pairs(targets)
    varied = (targets.min(axis=0) == 0) & (targets.max(axis=0) == 1)
    i, j = np.nonzero(np.triu(np.outer(varied, varied), 1))
    start = time.perf_counter()
    q = benjamini_hochberg(mid_p(PairCounts(*(part[i, j] for part in counts))))
    return int(np.count_nonzero(q <= 0.05)), len(q), time.perf_counter() - start


def main(arguments: list[str]) -> int:
    """Print the pairs called related for each table and seed; exit with 1 where they are too many."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence nulls", description=__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder with NAME.npz, each with Y (rows, labels)")
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    most = 0
    print(f"{'table':12} {'seed':>4} {'pairs':>8} {'q <= .05':>8} {'seconds':>8}")
    for table in options.tables:
        with np.load(options.labels / f"{table}.npz", allow_pickle=False) as content:
            targets = content["Y"]
        for seed in range(options.seeds):
            count, tested, seconds = related(permuted(targets, np.random.default_rng(seed)))
            most = max(most, count)
            print(f"{table:12} {seed:4} {tested:8} {count:8} {seconds:8.2f}")
    print(f"at most {most} in a table, the bar is {MOST_PAIRS}")
    return int(most > MOST_PAIRS)
