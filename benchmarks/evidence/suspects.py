"""How well entries that were flipped are ranked: AUROC, and the share of flips among the first N, N the flips."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.tables import read_labels
from obrl import count_pairs
from obrl.mining.suspects import score_matrix

FLIPPED = 0.01
BARS = {"celeba": (0.945, 0.42), "yeast": (0.975, 0.50), "delicious": (0.997, 0.84)}
"""For each table the AUROC and the precision that are the least to reach on average over the seeds."""


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The share of pairs of a positive and another entry that are in the right order; ties count half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    ones = int(positive.sum())
    total = float(ranks[inverse[positive]].sum()) - ones * (ones + 1) / 2
    return total / (ones * (len(scores) - ones))


def measure(targets: NDArray[np.float64], seed: int) -> tuple[float, float, float]:
    """AUROC, precision at N, and the seconds that counting and scoring take, with 1 % of the entries flipped."""
    flipped = np.random.default_rng(seed).random(targets.shape) < FLIPPED
    table = np.where(flipped, 1 - targets, targets)
    start = time.perf_counter()
    scores = score_matrix(table, count_pairs(table)).reshape(-1)
    seconds = time.perf_counter() - start
    wrong = flipped.reshape(-1)
    first = np.argpartition(-scores, int(wrong.sum()))[: int(wrong.sum())]
    return auroc(scores, wrong), float(wrong[first].mean()), seconds


def main(arguments: list[str]) -> int:
    """Print the figures for each table and seed; exit with 1 where a mean misses its bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence suspects", description=__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder with NAME.npz and celeba/")
    parser.add_argument("--tables", nargs="+", default=list(BARS))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    missed = 0
    print(f"{'table':12} {'seed':>4} {'AUROC':>7} {'precision':>9} {'seconds':>8}")
    for name in options.tables:
        targets = read_labels(options.labels, name)
        results = []
        for seed in range(options.seeds):
            results.append(measure(targets, seed))
            print(f"{name:12} {seed:4} {results[-1][0]:7.4f} {results[-1][1]:9.4f} {results[-1][2]:8.2f}", flush=True)
        mean = np.mean(results, axis=0)
        bar = BARS.get(name, (0.0, 0.0))
        reached = mean[0] >= bar[0] and mean[1] >= bar[1]
        missed += not reached
        words = f"{'reaches' if reached else 'MISSES'} {bar[0]} and {bar[1]}" if name in BARS else "no bar"
        print(f"{name:12} mean {mean[0]:7.4f} {mean[1]:9.4f}  {words}", flush=True)
    return int(missed > 0)
