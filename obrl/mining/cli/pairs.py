"""`obrl pairs R`: the pairs of a mined relation, the surest first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from obrl.mining.cli.options import (
    add_relation_argument,
    add_test_arguments,
    check_test_options,
    load_relation,
    names,
)
from obrl.mining.errors import MiningError
from obrl.mining.output import file_of_results
from obrl.mining.pair_table import PairTable, pair_table
from obrl.mining.result_tables import hidden_rows, label_names, shown_pairs, write_pairs

ORDERS = ("lower", "phi", "q", "p", "both")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl pairs`."""
    add_relation_argument(parser)
    add_test_arguments(parser)
    parser.add_argument(
        "--all", action="store_true", help="also pairs that are not related, with an asterisk where they are"
    )
    parser.add_argument(
        "--sort",
        choices=ORDERS,
        default="lower",
        help="by the bound of the interval nearer 0 (lower, default), |phi|, q, p or joint occurrences",
    )
    parser.add_argument("--label", type=names, action="extend", metavar="A,B,...", help="only pairs of these labels")
    parser.add_argument("--csv", action="store_true", help="print all of them as CSV")
    parser.add_argument("--out", metavar="FILE", help="write the CSV to a file")


def run(options: argparse.Namespace) -> int:
    """Print the pairs."""
    check_test_options(options)
    counts = load_relation(options).table_counts_
    labels = label_names(counts)
    pairs = pair_table(counts, correction=options.correction)
    order = pairs.order(options.sort)
    if not options.all:
        order = order[pairs.related(options.q)[order]]
    if options.label:
        order = order[_of_labels(pairs, labels, options.label)[order]]
    if options.out is not None:
        with file_of_results(options.out) as part, part.open("w", encoding="utf-8", newline="") as file:
            write_pairs(file, pairs, labels, order)
        print(f"wrote {len(order):,} pairs to {options.out}")
    elif options.csv:
        write_pairs(sys.stdout, pairs, labels, order)
    else:
        top = order[: options.top] if options.top else order
        words = "pairs" if options.all else f"related pairs (q <= {options.q:g})"
        print(
            f"{len(order):,} {words} of {len(pairs):,}; {counts.rows:,} rows" + (", by groups" if pairs.grouped else "")
        )
        if len(top):
            print(shown_pairs(pairs, labels, top, q=options.q, mark=options.all))
        for line in hidden_rows(len(order), len(top)):
            print(line)
    return 0


def _of_labels(pairs: PairTable, labels: Sequence[str], wanted: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which pairs hold one of the labels."""
    for name in wanted:
        if name not in labels:
            raise MiningError(f"--label: the relation has no label {name!r}; labels.csv beside it lists them")
    indices = [labels.index(name) for name in wanted]
    return np.isin(pairs.i, indices) | np.isin(pairs.j, indices)
