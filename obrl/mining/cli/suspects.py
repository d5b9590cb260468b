"""`obrl suspects TABLE...`: entries that contradict the other labels of their row, most suspicious first."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from obrl._version import __version__
from obrl.conditional import suspicion
from obrl.counts import PairCounts
from obrl.evidence import phi_coefficients
from obrl.mining import by_value
from obrl.mining.cli.label_studio import (
    add_label_studio_arguments,
    check_label_studio,
    shown_columns,
    suspects_as_tasks,
    write_tasks,
)
from obrl.mining.cli.options import table_options
from obrl.mining.cli.progress import Progress
from obrl.mining.cli.table_counts import add_counted_arguments, counts_of, predictions_of
from obrl.mining.errors import MiningError
from obrl.mining.output import SUSPECTS, check_folder, folder_of_results
from obrl.mining.residual import BoolArray, FloatArray
from obrl.mining.result_tables import as_text_table
from obrl.mining.suspect_list import COLUMNS, Places, cells, read_suspects, write_suspects
from obrl.mining.suspects import BLIND, SuspectFinder, wrong_entries, wrong_probability
from obrl.mining.tables import open_tables
from obrl.mining.tables.options import LabelTable

SHOWN = 20
VALUES_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl suspects`."""
    add_counted_arguments(parser)
    group = parser.add_argument_group("suspects")
    group.add_argument("--top", type=int, default=1000, metavar="N", help="list so many entries (default: 1000)")
    group.add_argument(
        "--per-label", type=int, default=50, metavar="N", help="and so many of each label (default: 50; 0 for none)"
    )
    group.add_argument("--by", metavar="COLUMN", help="also compare the values of a column, such as the annotator")
    group.add_argument(
        "--error-rate",
        type=float,
        default=0.01,
        metavar="E",
        help="the share of wrong entries to assume for how many of those listed are wrong (default: .01)",
    )
    group.add_argument("--force", action="store_true", help="list suspects of a table of classes, too")
    group.add_argument(
        "--out", metavar="DIR", help="the folder for suspects.csv, suspects_per_label.csv and by.csv (default: none)"
    )
    add_label_studio_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """List suspects, say how many are probably wrong and what cannot be seen, and write the lists."""
    if options.top < 1 or options.per_label < 0:
        raise MiningError("--top must be at least 1, and --per-label at least 0")
    wrong_probability(0.5, options.error_rate)
    if options.out is not None:
        check_folder(options.out)
    keep = dict.fromkeys([*([] if options.by is None else [options.by]), *shown_columns(options)])
    table = open_tables(options.tables, table_options(options, keep=tuple(keep)))
    check_label_studio(options, table)
    counts = counts_of(options, table)
    finder = SuspectFinder(counts, top=options.top, per_label=options.per_label, force=options.force)
    score = _model_scores(predictions_of(options, table), counts, finder.residual.rates)
    values = None if options.by is None else by_value.ScoresByValue(len(table.label_names), options.by)
    with Progress(quiet=options.quiet) as progress:
        places = read_suspects(table, finder, score=score, values=values, progress=progress)
    by = [] if values is None else values.result()
    print(_summary(options, table, finder, places, by))
    if options.out is not None:
        _write(options, table, finder, places, by)
        print(f"wrote the lists to {options.out}")
    if options.label_studio is not None:
        print(write_tasks(options, table, suspects_as_tasks(options, table, finder.overall)))
    return 0


def _model_scores(
    predictions: FloatArray | None, counts: PairCounts, rates: FloatArray
) -> Callable[[int, FloatArray, BoolArray], FloatArray | None]:
    """What scores rows by the model and the relation, from the number of the first; None without a model."""
    phi = None if predictions is None else phi_coefficients(counts)

    def score(first: int, labels: FloatArray, observed: BoolArray) -> FloatArray | None:
        if predictions is None or phi is None:
            return None
        return suspicion(phi, predictions[first : first + len(labels)], labels, observed=observed, rates=rates)

    return score


def _summary(
    options: argparse.Namespace,
    table: LabelTable,
    finder: SuspectFinder,
    places: Places,
    by: list[by_value.ValueScore],
) -> str:
    p = finder.probability(finder.overall)
    wrong = wrong_entries(finder.overall, p, options.error_rate).sum()
    first = finder.overall.take(np.arange(min(SHOWN, len(finder.overall))))
    several = len(table.files) > 1
    rows = [row[0 if several else 1 :] for row in cells(first, p, places, table.label_names)]
    head = COLUMNS[0 if several else 1 :]
    lines = [
        as_text_table(head, rows, left=len(head)),
        f"{len(first)} of the {len(p):,} most suspicious entries of {finder.rows:,} rows; if {options.error_rate:.2%} "
        f"of all entries were flipped at random, about {wrong:,.0f} of the {len(p):,} would be wrong",
        BLIND,
    ]
    if by:
        head = (options.by, *by_value.COLUMNS)
        cells_by = by_value.cells(by[:VALUES_SHOWN], table.label_names)
        named = [(value or by_value.EMPTY, *numbers) for value, *numbers in cells_by]
        lines += ["", as_text_table(head, named, left=1)]
    return "\n".join(lines)


def _write(
    options: argparse.Namespace,
    table: LabelTable,
    finder: SuspectFinder,
    places: Places,
    by: list[by_value.ValueScore],
) -> None:
    lists = {"suspects.csv": finder.overall}
    if options.per_label:
        lists["suspects_per_label.csv"] = finder.per_label
    with folder_of_results(options.out) as folder:
        for name, candidates in lists.items():
            with (folder / name).open("w", encoding="utf-8", newline="") as file:
                write_suspects(file, candidates, finder.probability(candidates), places, table.label_names)
        if by:
            with (folder / "by.csv").open("w", encoding="utf-8", newline="") as file:
                by_value.write_values(file, options.by, by, table.label_names)
        _write_run(folder, options, table, finder)


def _write_run(folder: Path, options: argparse.Namespace, table: LabelTable, finder: SuspectFinder) -> None:
    facts = {
        "files": list(table.files),
        "rows": finder.rows,
        "labels": len(table.label_names),
        "table": table.description(),
        "relation": options.relation,
        "predictions": options.predictions,
        "shrinkage": finder.residual.shrinkage,
        "versions": {"obrl": __version__, "numpy": np.__version__},
    }
    (folder / SUSPECTS).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
