"""`obrl thresholds R`: what thresholds would select and cost, and the lines of code to paste."""

from __future__ import annotations

import argparse

from obrl.mining.cli.options import add_relation_argument, load_relation, relation_file
from obrl.mining.errors import NoThresholds
from obrl.mining.thresholds import FROM_PHI, Ladder, threshold_ladder
from obrl.report.code import code_of_mined


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl thresholds`."""
    add_relation_argument(parser)
    parser.add_argument(
        "--measure",
        choices=tuple(FROM_PHI),
        help="the measure of the loss (default: the relation's; the other measures do not follow from phi)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the ladder and the suggestion."""
    miner = load_relation(options)
    counts = miner.table_counts_
    ladder = threshold_ladder(counts, measure=options.measure or miner.measure)
    print(f"{counts.rows:,} rows x {counts.num_labels} labels; thresholds on the scale of {ladder.measure}")
    print("charge: the share of rows whose true labels contradict a pair, which a loss charges even to a perfect model")
    print(f"\n{ladder}")
    try:
        thresholds = ladder.suggestion()
    except NoThresholds as none:
        print(f"\n{none}")
        return 0
    print(f"\nsuggestion: {_suggestion(ladder)}\n")
    if ladder.measure != miner.measure:
        print(f"for a loss with measure={ladder.measure!r}, mine the relation with --measure {ladder.measure}")
        return 0
    code = code_of_mined(counts.num_labels, relation_file(options), ladder.measure)
    for name, value in thresholds.items():
        code = code.replace(f"{{{name}}}", repr(value))
    print(code)
    return 0


def _suggestion(ladder: Ladder) -> str:
    parts = []
    for word, rung in zip(("together >=", "apart <="), ladder.suggested(), strict=True):
        if rung is None:
            parts.append(f"{word.split()[0]} none")
        else:
            cost = f"{rung.pairs:,} pairs, charge {rung.charge:.2f}"
            parts.append(f"{word} {rung.threshold:g} (phi {rung.phi:+.2f}, {cost})")
    return "; ".join(parts)
