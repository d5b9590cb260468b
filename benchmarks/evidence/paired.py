"""Paired differences of accuracy and mean average precision, with a bootstrap interval over seeds and test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.digits import interval_in_words, two_digits
from benchmarks.evidence.loss_tables import Part
from obrl.mining.metrics import FloatArray, mean_average_precision
from reference_model.pipeline.tables.statistics import Interval, seed_factor

METRICS = ("mAP", "accuracy")
ROW_DRAWS = 100
SEED_DRAWS = 20
HOW = (
    "Differences are in points and paired: the same seed, batches and test rows. Their 95 % intervals come from "
    f"{ROW_DRAWS * SEED_DRAWS:,} bootstrap samples, in which test rows ({ROW_DRAWS} times) and seeds ({SEED_DRAWS} "
    "times for each of these) are both drawn with replacement; seeds' deviations are enlarged as few seeds require."
)


def row_weights(rows: int) -> FloatArray:
    """How often each test row counts: once in the first line, then in each bootstrap sample; (1 + draws, rows)."""
    rng = np.random.default_rng(0)
    return np.vstack([np.ones(rows), rng.multinomial(rows, np.full(rows, 1 / rows), size=ROW_DRAWS)])


def unit_weights(units: NDArray[np.int64]) -> FloatArray:
    """How often each row counts where rows of a unit, such as the pictures of a person, are drawn together.

    Args:
        units: (rows,), the number of each row's unit, from 0.

    Returns:
        (1 + draws, rows), as `row_weights`.
    """
    return row_weights(int(units.max()) + 1)[:, units]


def scored(probabilities: FloatArray, test: Part) -> dict[str, FloatArray]:
    """Each metric in per cent on all test rows and on each bootstrap sample of them, (1 + draws,)."""
    weights = row_weights(len(probabilities))
    right = ((probabilities >= 0.5) == (test.targets == 1)).mean(axis=1)
    precision = mean_average_precision(probabilities, test.targets == 1, test.known, weights)
    return {"mAP": 100 * precision, "accuracy": 100 * (weights @ right) / weights.sum(axis=1)}


def paired_interval(differences: FloatArray) -> Interval:
    """The mean difference over seeds and its interval.

    Args:
        differences: (seeds, 1 + draws), each seed's difference on all test rows and on each sample of them.

    Example:
        >>> rows = np.random.default_rng(0).normal(1.0, 0.1, (5, 201))
        >>> paired_interval(rows).verdict
        'higher'
    """
    seeds = len(differences)
    drawn = differences[:, 1:]
    centre = drawn.mean(axis=0)
    spread = centre + seed_factor(seeds) * (drawn - centre)
    shares = np.random.default_rng(1).multinomial(seeds, np.full(seeds, 1 / seeds), size=(SEED_DRAWS, drawn.shape[1]))
    means = np.einsum("drs,sr->dr", shares / seeds, spread)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(differences[:, 0].mean()), float(low), float(high), seeds)


def differs(interval: dict[str, Any]) -> bool:
    """Whether the interval leaves out 0."""
    return not interval["low"] <= 0 <= interval["high"]


def in_words(interval: dict[str, Any], *, bounds: bool = True) -> str:
    """A difference as a cell of a table: `no difference` where its interval holds 0, else the mean.

    Args:
        interval: with `mean`, `low` and `high`.
        bounds: whether the interval follows in brackets.

    Example:
        >>> in_words({"mean": 0.5, "low": -0.001, "high": 1.5})
        'no difference (0.00 to 1.50)'
        >>> in_words({"mean": -0.5, "low": -1.0, "high": -0.25}, bounds=False)
        '**-0.50**'
    """
    start = f"**{two_digits(interval['mean'], '+')}**" if differs(interval) else "no difference"
    return f"{start} {interval_in_words(interval['low'], interval['high'])}" if bounds else start
