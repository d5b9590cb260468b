"""Coverage of the intervals of phi on a grid of sizes, margins and relations."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from obrl.counts import PairCounts
from obrl.evidence import phi_interval

SIZES = (200, 2_000, 20_000, 200_000)
MARGINS = ((0.5, 0.5), (0.3, 0.05), (0.05, 0.05), (0.01, 0.01), (0.005, 0.002), (0.001, 0.001))
RELATIONS = (0.0, 0.2, 0.5, 0.8)
LEAST_POSITIVES = 1.5
BANDS = ((0.0, 5.0), (5.0, 20.0), (20.0, np.inf))
"""Expected joint occurrences."""
LEAST_COVERAGE = 0.92


class Setting(NamedTuple):
    """A table of two labels.

    Attributes:
        rows: how many.
        margins: the shares of both labels.
        phi: their relation.
        cells: the probabilities of both, only the first, only the second, neither.
    """

    rows: int
    margins: tuple[float, float]
    phi: float
    cells: tuple[float, float, float, float]


def settings() -> Iterator[Setting]:
    """The grid, where the cells are positive and the rarer label is expected at least `LEAST_POSITIVES` times."""
    for rows, (p, q), phi in product(SIZES, MARGINS, RELATIONS):
        both = p * q + phi * np.sqrt(p * (1 - p) * q * (1 - q))
        cells = (both, p - both, q - both, 1 - p - q + both)
        if rows * min(p, q) >= LEAST_POSITIVES and min(cells) > 0:
            yield Setting(rows, (p, q), phi, cells)


def coverage(setting: Setting, repetitions: int, rng: np.random.Generator) -> float:
    """The share of drawn tables whose 95 % interval holds the true phi."""
    drawn: NDArray[np.int64] = rng.multinomial(setting.rows, setting.cells, size=repetitions)
    both, only_i, only_j, _ = drawn.T
    low, high = phi_interval(PairCounts(setting.rows, both, both + only_i, both + only_j))
    return float(np.mean((low <= setting.phi) & (setting.phi <= high)))


def main(arguments: list[str]) -> int:
    """Print the coverage by expected joint occurrences; exit with 1 where it falls below the bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence intervals", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(options.seed)
    results = [(setting, coverage(setting, options.repetitions, rng)) for setting in settings()]
    print(f"{len(results)} settings, {options.repetitions} tables each, seed {options.seed}")
    print(f"{'expected joint occurrences':>27} {'settings':>8} {'least':>6} {'mean':>6}  the least")
    for low, high in BANDS:
        chosen = [entry for entry in results if low <= entry[0].rows * entry[0].cells[0] < high]
        worst, least = min(chosen, key=lambda entry: entry[1])
        mean = np.mean([value for _, value in chosen])
        where = f"n {worst.rows}, shares {worst.margins[0]} and {worst.margins[1]}, phi {worst.phi}"
        print(f"{f'{low:g} to {high:g}':>27} {len(chosen):8} {least:6.3f} {mean:6.3f}  {where}")
    judged = [value for setting, value in results if setting.rows * setting.cells[0] >= BANDS[1][0]]
    print(f"least coverage with five or more expected: {min(judged):.4f}, the bar is {LEAST_COVERAGE}")
    return int(min(judged) < LEAST_COVERAGE)
