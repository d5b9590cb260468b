"""`obrl fill TABLE... --out FILE`: the probability of missing entries, or of all."""

from __future__ import annotations

import argparse
import csv
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.conditional import condition
from obrl.counts import PairCounts
from obrl.evidence import phi_coefficients
from obrl.mining.accumulate import added, total_of, without
from obrl.mining.blocks import Block
from obrl.mining.cli.options import table_options
from obrl.mining.cli.progress import Progress
from obrl.mining.cli.table_counts import add_counted_arguments, count_parts, counts_of, predictions_of
from obrl.mining.errors import MiningError, TableError
from obrl.mining.fill import HELD_OUT, Filler
from obrl.mining.output import check_file, file_of_results
from obrl.mining.residual import BoolArray, FloatArray, dense_rows, row_chunks
from obrl.mining.tables import open_tables
from obrl.mining.tables.ahead import read_ahead
from obrl.mining.tables.options import LabelTable

ENDINGS = (".csv", ".npz")
Predict = Callable[[Block, slice, int, FloatArray, BoolArray], FloatArray]
"""Takes a block, a slice of its rows, how many rows of the table come before them, their values, and which entries are
known; returns the probabilities, (rows, num_labels)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl fill`."""
    add_counted_arguments(parser)
    group = parser.add_argument_group("filling")
    group.add_argument(
        "--only-missing", action="store_true", help="leave known entries as they are, 0 or 1, and fill the missing ones"
    )
    group.add_argument(
        "--out-of-fold",
        type=int,
        metavar="K",
        help="probabilities by counts of other rows than those in the same of K parts (as cleanlab's pred_probs "
        "wants them); with --groups a group stays in one part",
    )
    group.add_argument("--out", metavar="FILE", required=True, help="the probabilities, as .csv or .npz")


def run(options: argparse.Namespace) -> int:
    """Learn the curves, choose the method, and write the probabilities."""
    file = check_file(options.out)
    _check(options, file)
    table = open_tables(options.tables, table_options(options))
    if any(Path(source).is_file() and file.exists() and file.samefile(source) for source in table.files):
        raise MiningError(f"{file}: this is the table itself; name another file with --out")
    if options.predictions is None:
        predict, report = _filled(options, table)
    else:
        predict, report = _conditioned(options, table)
    with file_of_results(file) as path:
        write = _write_csv if file.suffix == ".csv" else _write_npz
        rows_written, missing = write(path, table, predict, options.quiet)
    print("\n".join(report))
    size = f"{rows_written:,} rows x {len(table.label_names)} labels"
    print(f"wrote {file}: {size}, of which {missing:,} entries were missing")
    return 0


def _check(options: argparse.Namespace, file: Path) -> None:
    """Raise MiningError for options that do not go together."""
    if file.suffix not in ENDINGS:
        raise MiningError(f"{file}: expected a file that ends with .csv or .npz; name another with --out")
    if options.out_of_fold is None:
        return
    if options.relation is not None:
        raise MiningError("--out-of-fold counts the parts of the table itself: leave --relation out")
    if options.predictions is not None:
        raise MiningError("--out-of-fold fills without a model: leave --predictions out")
    if options.out_of_fold < 2:
        raise MiningError(f"--out-of-fold must be at least 2, got {options.out_of_fold}")


def _filled(options: argparse.Namespace, table: LabelTable) -> tuple[Predict, list[str]]:
    """What fills rows from their other labels, with curves learnt from the table; and how well."""
    parts = 1 if options.out_of_fold is None else options.out_of_fold
    fillers = [Filler(counts, held_out) for counts, held_out in _counts(options, table, parts)]
    for block, rows, values, known in _rows(table, options.quiet):
        part, held_out = _parts(block, rows, table, parts)
        for number, filler in enumerate(fillers):
            learns = np.ones(len(values), bool) if parts == 1 else part != number
            filler.learn(values[learns], known[learns], held_out[learns])
    for filler in fillers:
        filler.choose()

    def predict(block: Block, rows: slice, first: int, values: FloatArray, known: BoolArray) -> FloatArray:
        result = np.empty(values.shape)
        part = np.zeros(len(values), np.int64) if parts == 1 else _parts(block, rows, table, parts)[0]
        for number, filler in enumerate(fillers):
            here = part == number
            result[here] = filler.probabilities(values[here], known[here])
        return np.where(known, values, result) if options.only_missing else result

    return predict, list(_report(fillers))


def _conditioned(options: argparse.Namespace, table: LabelTable) -> tuple[Predict, list[str]]:
    """What conditions a model's probabilities on the known labels of the row."""
    phi = phi_coefficients(counts_of(options, table))
    predictions = predictions_of(options, table)

    def predict(block: Block, rows: slice, first: int, values: FloatArray, known: BoolArray) -> FloatArray:
        assert predictions is not None
        return condition(phi, predictions[first : first + len(values)], values, observed=known)

    return predict, ["the model's probabilities after looking at the known labels of the row, which stay as they are"]


def _rows(table: LabelTable, quiet: bool) -> Iterator[tuple[Block, slice, FloatArray, BoolArray]]:
    """Rows of the table as numbers, some at a time."""
    with Progress(quiet=quiet) as progress:
        for block in read_ahead(table.blocks()):
            for rows in row_chunks(block.labels):
                yield block, rows, *dense_rows(block.labels, rows)
            progress(block)


def _counts(options: argparse.Namespace, table: LabelTable, parts: int) -> list[tuple[PairCounts, PairCounts]]:
    """For each part the counts of all other rows, and of those among them that are held out.

    With one part the first are the counts of the whole table, or of the relation that the user names.
    """

    def part_of(block: Block) -> npt.NDArray[np.int64]:
        part, held_out = _parts(block, slice(0, block.rows), table, parts)
        return 2 * part + held_out

    totals = count_parts(table, 2 * parts, part_of, quiet=options.quiet)
    whole, held_out = (total_of(some, len(table.label_names)) for some in (totals, totals[1::2]))
    if parts == 1:
        return [(whole if options.relation is None else counts_of(options, table), held_out)]
    in_part = [added(*totals[k : k + 2]) for k in range(0, 2 * parts, 2)]
    others = [without(whole, part) for part in in_part]
    if any(int(counts.n.max(initial=0)) == 0 for counts in (*in_part, *others)):
        raise TableError(
            f"expected rows or groups in each of {parts} parts, got too few",
            file=", ".join(table.files[:3]),
            remedy="take fewer parts with --out-of-fold",
        )
    held_out_of_others = (without(held_out, part) for part in totals[1::2])
    return list(zip(others, held_out_of_others, strict=True))


def _parts(block: Block, rows: slice, table: LabelTable, parts: int) -> tuple[npt.NDArray[np.int64], BoolArray]:
    """The part of each row, and whether it is held out: by the CRC-32 of its group, or else of its number in its file.

    Where a file lies makes no difference, only its place among the files.
    """
    if table.group_column is not None:
        names, inverse = np.unique(block.columns[table.group_column][rows].astype(str), return_inverse=True)
        number = np.array([zlib.crc32(name.encode()) for name in names.tolist()], np.int64)[inverse]
    else:
        file = table.files.index(block.file)
        first = block.first_row + rows.start
        numbers = range(first, first + rows.stop - rows.start)
        number = np.array([zlib.crc32(row.to_bytes(8, "little"), file) for row in numbers], np.int64)
    return number % parts, number // parts % HELD_OUT == 0


def _write_csv(path: Path, table: LabelTable, predict: Predict, quiet: bool) -> tuple[int, int]:
    id_column = table.id_column
    head = ("file", "row") if id_column is None else (id_column,)
    written = missing = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*head, *table.label_names))
        for block, rows, values, known in _rows(table, quiet):
            p = predict(block, rows, written, values, known)
            texts = [[f"{value:.5g}" for value in row] for row in p.tolist()]
            for k, text in enumerate(texts, rows.start):
                place = (block.file, block.first_row + k) if id_column is None else (block.columns[id_column][k],)
                writer.writerow((*place, *text))
            written += len(p)
            missing += int((~known).sum())
    return written, missing


def _write_npz(path: Path, table: LabelTable, predict: Predict, quiet: bool) -> tuple[int, int]:
    probabilities, knowns, ids, written = [], [], [], 0
    for block, rows, values, known in _rows(table, quiet):
        probabilities.append(predict(block, rows, written, values, known).astype(np.float32))
        written += len(values)
        knowns.append(known)
        if table.id_column is not None:
            ids.append(block.columns[table.id_column][rows].astype(str))
    arrays: dict[str, Any] = {
        "probabilities": np.concatenate(probabilities),
        "observed": np.concatenate(knowns),
        "label_names": np.array(table.label_names),
    }
    if ids:
        arrays["ids"] = np.concatenate(ids)
    np.savez_compressed(path, **arrays)
    return len(arrays["observed"]), int((~arrays["observed"]).sum())


def _report(fillers: list[Filler]) -> Iterator[str]:
    for number, filler in enumerate(fillers, 1):
        part = f"part {number}: " if len(fillers) > 1 else ""
        losses = ", ".join(f"{name} {loss:.4f}" for name, loss in filler.log_losses.items() if loss == loss)
        reason = (
            f"log-loss of rows held out: {losses}" if losses else "no rows could be held out to compare the methods"
        )
        yield f"{part}{filler.method} ({reason})"
