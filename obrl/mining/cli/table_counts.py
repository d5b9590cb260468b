"""The counts that a subcommand works with: those of a mined relation, or of the table itself."""

from __future__ import annotations

import argparse

import numpy as np

from obrl.counts import PairCounts
from obrl.mining.cli.options import add_quiet_argument, add_table_arguments, load_relation
from obrl.mining.cli.progress import Progress
from obrl.mining.errors import MiningError
from obrl.mining.miner import RelationMiner
from obrl.mining.residual import FloatArray
from obrl.mining.tables.options import LabelTable


def add_counted_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tables, the relation and what silences the progress bar."""
    add_table_arguments(parser)
    parser.add_argument(
        "--relation",
        metavar="R",
        help="the folder that `obrl mine --out` wrote, or its .npz, with counts of all labels of the table (default: "
        "count the table itself first)",
    )
    parser.add_argument(
        "--predictions",
        metavar="FILE",
        help="a model's probabilities, row for row of the table (.npz, CSV or Parquet; needs memory for all of them)",
    )
    add_quiet_argument(parser)


def counts_of(options: argparse.Namespace, table: LabelTable) -> PairCounts:
    """The counts of the table's labels, in its order, each field (num_labels, num_labels).

    Raises:
        MiningError: a relation that lacks labels of the table, or that holds no counts.
    """
    if options.relation is None:
        with Progress(quiet=options.quiet) as progress:
            return RelationMiner().fit_table(table, progress=progress).counts_
    miner = load_relation(options)
    counts, names = miner.counts_, miner.label_names_in_
    if names is None:
        if len(counts.s) != len(table.label_names):
            raise MiningError(
                f"{options.relation}: expected a relation of the table's {len(table.label_names)} labels, got one of "
                f"{len(counts.s)}; mine the table with `obrl mine`"
            )
        return counts
    place = {name: position for position, name in enumerate(names)}
    lacking = [name for name in table.label_names if name not in place]
    if lacking:
        raise MiningError(
            f"{options.relation}: the relation lacks the label {lacking[0][:60]!r} of the table ({len(lacking)} in "
            "all); mine this table with `obrl mine`, or name the labels that both have with --labels"
        )
    which = np.array([place[name] for name in table.label_names])
    return PairCounts(*(np.broadcast_to(field, counts.s.shape)[np.ix_(which, which)] for field in counts))


def predictions_of(options: argparse.Namespace, table: LabelTable) -> FloatArray | None:
    """What `--predictions` names, (rows, num_labels) in [0, 1], or None without it.

    Raises:
        TableError: predictions that do not fit the table.
    """
    if options.predictions is None:
        return None
    from obrl.mining.predictions import read_predictions

    rows = table.rows if table.rows is not None else sum(block.rows for block in table.blocks())
    return read_predictions(options.predictions, table.label_names, rows)
