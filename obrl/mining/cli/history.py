"""`obrl history R`: the relation over the parts of a table, or over a training run."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from obrl.history import History
from obrl.mining.changes.activity import DEFAULT_THRESHOLDS, limits
from obrl.mining.changes.over_time import over_time
from obrl.mining.changes.over_time_words import summary, write_over_time
from obrl.mining.cli.options import add_test_arguments, check_test_options
from obrl.mining.errors import MiningError
from obrl.mining.output import HISTORY, check_file, file_of_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl history`."""
    parser.add_argument(
        "history",
        metavar="R",
        help="the folder that `obrl mine --history N --out` wrote, or the .npz of a history, also one of training",
    )
    add_test_arguments(parser)
    for sign, default in zip(("positive", "negative"), DEFAULT_THRESHOLDS["unit_pearson"], strict=True):
        parser.add_argument(
            f"--{sign}-threshold",
            type=float,
            metavar="R",
            help="for when pairs are active, on the scale of the measure (default: the run's; without those "
            f"{default} of unit_pearson, {DEFAULT_THRESHOLDS['pearson'][sign == 'negative']} of pearson)",
        )
    parser.add_argument("--csv", metavar="FILE", help="write all pairs as CSV")


def run(options: argparse.Namespace) -> int:
    """Print what drifts, and write the CSV."""
    check_test_options(options)
    if options.csv is not None:
        check_file(options.csv, "--csv")
    history = _load(options.history)
    thresholds = _thresholds(options, history)
    result = over_time(history, correction=options.correction)
    print(summary(result, options.q, options.top, thresholds))
    if options.csv is not None:
        with file_of_results(options.csv, "--csv") as part, part.open("w", encoding="utf-8", newline="") as file:
            write_over_time(file, result, options.q, thresholds)
        print(f"wrote {len(result):,} pairs to {options.csv}")
    return 0


def _thresholds(options: argparse.Namespace, history: History) -> tuple[float, float] | None:
    """The positive and the negative threshold that the user chose, NaN where there is none; None without either.

    Raises:
        MiningError: with what the history says in place of a missing one, the negative is not below the positive.
    """
    high, low = (
        np.nan if value is None else value for value in (options.positive_threshold, options.negative_threshold)
    )
    if np.isnan(high) and np.isnan(low):
        return None
    for upper, lower in limits(history, (high, low)).tolist():
        if lower >= upper:
            raise MiningError(f"--negative-threshold must be below --positive-threshold, got {lower:g} and {upper:g}")
    return high, low


def _load(name: str) -> History:
    """The history that the user named; raises MiningError where there is none."""
    place = Path(name)
    file = place / HISTORY if place.is_dir() else place
    if not file.is_file():
        what = f"the folder holds no {HISTORY}" if place.is_dir() else "there is no such file or folder"
        raise MiningError(f"{place}: {what}; mine one with `obrl mine TABLE --history 32 --out {place}`")
    try:
        history = History.load(file)
    except ValueError as error:
        raise MiningError(str(error)) from error
    if not len(history):
        raise MiningError(f"{file}: expected a history with at least one step, got none; train for some steps first")
    return history
