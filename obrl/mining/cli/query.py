"""`obrl query TABLE...`: which missing labels to ask an annotator for, those first that settle most of a row."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from obrl.conditional import check_rates, condition, query_scores
from obrl.evidence import phi_coefficients
from obrl.mining.cli.label_studio import (
    add_label_studio_arguments,
    check_label_studio,
    row_data,
    shown_columns,
    write_tasks,
)
from obrl.mining.cli.options import table_options
from obrl.mining.cli.progress import Progress
from obrl.mining.cli.table_counts import add_counted_arguments, counts_of, predictions_of
from obrl.mining.errors import MiningError
from obrl.mining.label_studio import query_tasks
from obrl.mining.output import check_file, file_of_results
from obrl.mining.residual import FloatArray, dense_rows, row_chunks
from obrl.mining.result_tables import as_text_table
from obrl.mining.tables import open_tables
from obrl.mining.tables.ahead import read_ahead
from obrl.mining.tables.options import LabelTable

SHOWN = 20
COLUMNS = ("file", "row", "id", "label", "probability", "score")


@dataclass(slots=True)
class Query:
    """A row with missing labels.

    Attributes:
        data: what an annotator sees of it, and where it stands.
        scores: (num_labels,), -inf for known labels.
        probabilities: (num_labels,), conditioned on the known labels.
    """

    data: Mapping[str, Any]
    scores: FloatArray
    probabilities: FloatArray


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl query`."""
    add_counted_arguments(parser)
    group = parser.add_argument_group("the queue")
    group.add_argument("--top", type=int, default=1000, metavar="N", help="list so many rows (default: 1000)")
    group.add_argument("--out", metavar="FILE", help="the queue, as .csv")
    add_label_studio_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Rank the rows with missing labels by their best question, and write the queue."""
    if options.top < 1:
        raise MiningError(f"--top must be at least 1, got {options.top}")
    file = None if options.out is None else check_file(options.out)
    if file is not None and file.suffix != ".csv":
        raise MiningError(f"{file}: expected a file that ends with .csv; name another with --out")
    table = open_tables(options.tables, table_options(options, keep=shown_columns(options)))
    check_label_studio(options, table)
    if file is not None and any(Path(name).is_file() and file.exists() and file.samefile(name) for name in table.files):
        raise MiningError(f"{file}: this is the table itself; name another file with --out")
    queue, asking, rows = _queue(options, table)
    print(_summary(table, queue, asking, rows))
    if file is not None:
        with file_of_results(file) as path, path.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(COLUMNS)
            writer.writerows(_cells(table, query) for query in queue)
        print(f"wrote the queue to {file}")
    if options.label_studio is not None:
        size = (0, len(table.label_names))
        scores = np.array([query.scores for query in queue]) if queue else np.empty(size)
        p = np.array([query.probabilities for query in queue]) if queue else np.empty(size)
        data = [query.data for query in queue]
        tasks = query_tasks(scores, p, data, label_names=table.label_names, top=options.top)
        print(write_tasks(options, table, tasks))
    return 0


def _queue(options: argparse.Namespace, table: LabelTable) -> tuple[list[Query], int, int]:
    """The most valuable rows, the best first; how many rows miss a label; and how many rows there are."""
    counts = counts_of(options, table)
    phi = phi_coefficients(counts)
    predictions = predictions_of(options, table)
    known_rows, present = counts.n.diagonal(), counts.s.diagonal()
    unknown = np.full(len(phi), np.nan)
    rates = check_rates(np.divide(present, known_rows, out=unknown, where=known_rows > 0), len(phi))
    queue: list[Query] = []
    asking = first = 0
    with Progress(quiet=options.quiet) as progress:
        for block in read_ahead(table.blocks()):
            for rows in row_chunks(block.labels):
                values, known = dense_rows(block.labels, rows)
                missing = np.flatnonzero(~known.all(axis=1))
                asking += len(missing)
                y, mask = values[missing], known[missing]
                at = first + rows.start + missing
                p = np.broadcast_to(rates, y.shape) if predictions is None else predictions[at]
                scores = query_scores(phi, p, y, observed=mask)
                updated = condition(phi, p, y, observed=mask)
                for k in np.argsort(-scores.max(axis=1, initial=-np.inf), kind="stable")[: options.top].tolist():
                    data = row_data(options, table, block, rows.start + int(missing[k]))
                    queue.append(Query(data, scores[k], updated[k]))
                queue.sort(key=lambda query: -query.scores.max())  # stable: of equal rows the earlier one
                del queue[options.top :]
            first += block.rows
            progress(block)
    return queue, asking, first


def _cells(table: LabelTable, query: Query) -> tuple[str, ...]:
    """The cells of `COLUMNS`, in text, for the best question of a row."""
    label = int(query.scores.argmax())
    place = (query.data["file"], str(query.data["row"]), query.data.get("id", ""))
    numbers = (f"{query.probabilities[label]:.4f}", f"{query.scores[label]:.4f}")
    return (*place, table.label_names[label], *numbers)


def _summary(table: LabelTable, queue: list[Query], asking: int, rows: int) -> str:
    if not queue:
        return f"no label is missing in {rows:,} rows: there is nothing to ask for"
    first = 0 if len(table.files) > 1 else 1
    shown = [_cells(table, query)[first:] for query in queue[:SHOWN]]
    return "\n".join(
        [
            as_text_table(COLUMNS[first:], shown, left=len(COLUMNS)),
            f"{len(shown)} of the {len(queue):,} most valuable questions, one a row; {asking:,} of {rows:,} rows miss "
            "a label",
        ]
    )
