"""The counts that a subcommand works with: those of a mined relation, or of the table itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.blocks import Block
from obrl.mining.cli.options import add_quiet_argument, add_table_arguments, load_relation
from obrl.mining.cli.progress import Progress
from obrl.mining.counting import count_labels, full_counts, some_rows
from obrl.mining.errors import MiningError
from obrl.mining.miner import RelationMiner
from obrl.mining.residual import FloatArray
from obrl.mining.tables.ahead import read_ahead
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
        return count_parts(table, quiet=options.quiet)[0]
    miner = load_relation(options)
    return counts_in_order(miner.counts_, table_order(options.relation, miner, table))


def counts_in_order(counts: PairCounts, which: npt.NDArray[np.intp]) -> PairCounts:
    """The counts of some labels in another order, each field (labels, labels)."""
    return PairCounts(*(field[np.ix_(which, which)] for field in full_counts(counts)))


def table_order(path: str, miner: RelationMiner, table: LabelTable) -> npt.NDArray[np.intp]:
    """Which labels of a relation are those of the table, (num_labels,), by their names where the relation has names.

    Raises:
        MiningError: a relation that lacks labels of the table, or has no names and another number of labels.
    """
    names = miner.label_names_in_
    if names is None:
        if miner.n_features_in_ != len(table.label_names):
            raise MiningError(
                f"{path}: expected a relation of the table's {len(table.label_names)} labels, got one of "
                f"{miner.n_features_in_}; mine the table with `obrl mine`"
            )
        return np.arange(len(table.label_names))
    place = {name: position for position, name in enumerate(names)}
    lacking = [name for name in table.label_names if name not in place]
    if lacking:
        raise MiningError(
            f"{path}: the relation lacks the label {lacking[0][:60]!r} of the table ({len(lacking)} in "
            "all); mine this table with `obrl mine`, or name the labels that both have with --labels"
        )
    return np.array([place[name] for name in table.label_names])


def count_parts(
    table: LabelTable, parts: int = 1, part_of: Callable[[Block], npt.NDArray[np.int64]] | None = None, *, quiet: bool
) -> list[PairCounts]:
    """The counts of each part of the rows.

    Args:
        table: is read once.
        parts: how many.
        part_of: gives each row of a block its part, (rows,); not needed for one.
        quiet: show no progress.

    Raises:
        MiningError: a table without rows.
    """
    size = len(table.label_names)
    totals = [PairCounts(*(np.zeros((size, size), np.int64) for _ in PairCounts._fields)) for _ in range(parts)]
    with Progress(quiet=quiet) as progress:
        for block in read_ahead(table.blocks()):
            part = np.zeros(block.rows, np.int64) if part_of is None else part_of(block)
            for number in np.unique(part):
                all_rows = bool((part == number).all())
                labels = block.labels if all_rows else some_rows(block.labels, np.flatnonzero(part == number))
                for total, field in zip(totals[number], count_labels(labels), strict=True):
                    total += field
            progress(block)
    if progress.rows == 0:
        raise MiningError(f"{', '.join(table.files[:3])}: expected at least one row of labels, got none")
    return totals


def predictions_of(options: argparse.Namespace, table: LabelTable) -> FloatArray | None:
    """What `--predictions` names, (rows, num_labels) in [0, 1], or None without it.

    Raises:
        TableError: predictions that do not fit the table.
    """
    if options.predictions is None:
        return None
    from obrl.mining.predictions import read_predictions

    def ids() -> npt.NDArray[Any]:
        return np.concatenate([block.columns[str(table.id_column)] for block in table.blocks()])

    rows = table.rows if table.rows is not None else sum(block.rows for block in table.blocks())
    return read_predictions(
        options.predictions,
        table.label_names,
        rows,
        id_column=table.id_column,
        ids=None if table.id_column is None else ids,
    )
