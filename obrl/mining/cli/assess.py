"""`obrl assess PREDICTIONS TABLE`: whether the relation would help with a model, from its held-out predictions."""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from obrl.conditional import FloatArray
from obrl.conditioning import Conditioning
from obrl.mining.assess import assess
from obrl.mining.assessment import Assessment
from obrl.mining.cli.options import add_quiet_argument, add_table_arguments, load_relation, table_options
from obrl.mining.cli.progress import Progress
from obrl.mining.cli.table_counts import table_order
from obrl.mining.counting import as_dense
from obrl.mining.errors import MiningError
from obrl.mining.miner import RelationMiner
from obrl.mining.output import check_file, file_of_results
from obrl.mining.predictions import read_predictions
from obrl.mining.tables import open_tables

ENDINGS = (".csv", ".json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl assess`."""
    parser.add_argument(
        "predictions",
        metavar="PREDICTIONS",
        help="probabilities for the rows of the table: an .npz, or CSV or Parquet with a column for each label",
    )
    add_table_arguments(parser)
    parser.add_argument(
        "--relation",
        metavar="R",
        help="the relation of the training labels (default: each fifth of the table is judged by the rest)",
    )
    parser.add_argument("--out", metavar="FILE", help="also write the answers, as .csv or .json")
    parser.add_argument("--seed", type=int, default=0, help="of the labels that are hidden and flipped (default: 0)")
    add_quiet_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print an answer to each question, and write them."""
    out = None if options.out is None else check_file(options.out)
    if out is not None and out.suffix not in ENDINGS:
        raise MiningError(f"{out}: expected a file that ends with .csv or .json; name another with --out")
    table = open_tables(options.tables, table_options(options))
    relation = None
    if options.relation is not None:
        miner = load_relation(options)
        relation = _Chosen(miner, table_order(options.relation, miner, table))
    codes, groups, ids = [], [], []
    with Progress(quiet=options.quiet) as progress:
        for block in table.blocks():
            codes.append(as_dense(block.labels).codes)
            if table.group_column is not None:
                groups.append(block.columns[table.group_column])
            if table.id_column is not None:
                ids.append(block.columns[table.id_column])
            progress(block)
    y = np.concatenate(codes, axis=1).T
    probabilities = read_predictions(
        options.predictions,
        table.label_names,
        len(y),
        id_column=table.id_column,
        ids=(lambda: np.concatenate(ids)) if ids else None,
    )
    result = assess(
        probabilities,
        np.where(y >= 0, y, 0),
        relation,
        observed=y >= 0,
        groups=np.concatenate(groups) if groups else None,
        seed=options.seed,
    )
    if out is not None:
        with file_of_results(out) as path:
            _write(path, result)
    print(result)
    if out is not None:
        print(f"wrote {out}")
    return 0


def _write(path: Path, result: Assessment) -> None:
    """Write a row for each question: CSV, or JSON with the rows and the number of labels they rest on."""
    answers = [
        {name: None if figure != figure else figure for name, figure in asdict(comparison).items()}  # NaN is no JSON
        | {"helps": comparison.helps}
        for comparison in result.comparisons
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, list(answers[0]))
            writer.writeheader()
            writer.writerows(answers)
        else:
            json.dump({"rows": result.rows, "labels": len(result.labels), "answers": answers}, file, indent=2)
            file.write("\n")


class _Chosen(Conditioning):
    """Some labels of a relation, in the table's order."""

    def __init__(self, miner: RelationMiner, which: npt.NDArray[np.intp]) -> None:
        self._miner, self._which = miner, which

    def _phi_and_rates(self) -> tuple[FloatArray, FloatArray | None]:
        phi, rates = self._miner._phi_and_rates()
        return phi[np.ix_(self._which, self._which)], None if rates is None else rates[self._which]
