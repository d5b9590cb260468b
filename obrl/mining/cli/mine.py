"""`obrl mine TABLE... --out DIR`: read label tables, count, and write what relates."""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl._version import __version__
from obrl.mining.accumulate import TableCounts
from obrl.mining.blocks import DenseLabels, SparseLabels
from obrl.mining.changes.drift import drift_over_time, history_findings
from obrl.mining.changes.over_time import OverTime, over_time
from obrl.mining.changes.over_time_words import drift_in_words
from obrl.mining.cli.engine import add_engine_arguments, mine_by_dask, open_for_engine
from obrl.mining.cli.options import (
    add_quiet_argument,
    add_settings_arguments,
    add_table_arguments,
    check_settings,
)
from obrl.mining.cli.progress import Progress
from obrl.mining.cluster.checkpoint import Checkpoint
from obrl.mining.errors import MiningError, TableError
from obrl.mining.miner import RelationMiner
from obrl.mining.output import (
    HISTORY,
    RELATION,
    REPORT,
    RUN,
    check_file,
    check_folder,
    file_of_results,
    folder_of_results,
)
from obrl.mining.pair_table import PAIRS_SHOWN, PairTable, pair_table
from obrl.mining.report import report_of_table
from obrl.mining.result_tables import hidden_rows, label_names, pairs_to_write, shown_pairs, write_labels, write_pairs
from obrl.mining.row_order import RowOrder, warn_of_order
from obrl.mining.tables.options import LabelTable
from obrl.report.checks import MOST_LABELS
from obrl.report.content import Report
from obrl.report.page import write_report
from obrl.report.words import counted, verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl mine`."""
    add_table_arguments(parser)
    add_settings_arguments(parser)
    add_engine_arguments(parser)
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out",
        metavar="DIR",
        help="the folder for relation.npz, pairs.csv, labels.csv, run.json and report.html (default: none)",
    )
    group.add_argument(
        "--top",
        type=int,
        default=PAIRS_SHOWN,
        metavar="N",
        help=f"how many related pairs to show (default: {PAIRS_SHOWN}; 0 for all)",
    )
    group.add_argument(
        "--history",
        type=int,
        metavar="N",
        help=f"also write {HISTORY}: the counts of N to 2N consecutive parts of the rows, for `obrl history`",
    )
    group.add_argument("--png", metavar="FILE", help="draw the relation as a heat map (needs Matplotlib)")
    add_quiet_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Mine, print what relates, and write the results."""
    check_settings(options)
    if options.top < 0:
        raise MiningError(f"--top must be at least 0, got {options.top}")
    if options.out is not None:
        check_folder(options.out)
    if options.history is not None and (options.history < 2 or options.out is None):
        raise MiningError(f"--history must be at least 2, with a folder to write to (--out), got {options.history}")
    if options.png is not None:
        check_file(options.png, "--png")
    start = time.perf_counter()
    table = open_for_engine(options)
    miner = TimedMiner(
        decay=options.decay,
        measure=options.measure,
        estimator=options.estimator,
        batch_size=options.batch_size,
        history=options.history,
    )
    with Progress(quiet=options.quiet) as progress:
        engine, checkpoint = _mine(options, table, miner, progress)
    seconds = time.perf_counter() - start
    counts = miner.table_counts_
    _check_varies(counts, table.files)
    order = warn_of_order(counts)
    pairs = pair_table(counts)
    changes = None if options.history is None else over_time(miner.history_)
    timing = {"seconds": seconds, "seconds_counting": miner.seconds_counting}
    if options.out is not None:
        with folder_of_results(options.out) as part:
            facts = _run_facts(options, table, counts, order.ratio, timing) | {"engine": engine}
            _write(part, miner, pairs, changes, facts)
            if counts.num_labels <= MOST_LABELS:
                write_report(part / REPORT, _report(options, table, miner, counts, pairs, order, changes))
    if checkpoint is not None:
        checkpoint.remove()
    if options.png is not None:
        from obrl.mining.heat_map import draw_heat_map

        with file_of_results(options.png, "--png") as part:
            draw_heat_map(part, miner.phi_, label_names(counts))
    print(_summary(counts, pairs, timing, options.top))
    if changes is not None:
        print(drift_in_words(changes))
    if options.out is not None:
        further = "" if options.history is None else f"{HISTORY}, "
        shown = counts.num_labels <= MOST_LABELS
        print(
            f"wrote {Path(options.out) / RELATION}, {further}pairs.csv, labels.csv{',' if shown else ' and'} {RUN}"
            + (f" and {REPORT}" if shown else f"; no {REPORT}, which shows at most {MOST_LABELS:,} labels")
        )
    return 0


def _mine(
    options: argparse.Namespace, table: LabelTable, miner: TimedMiner, progress: Progress
) -> tuple[dict[str, Any], Checkpoint | None]:
    """Mine where the user wants it; returns what run.json says of it, and what to remove in the end."""
    if options.engine == "local":
        miner.fit_table(table, progress=progress)
        return {"name": "local"}, None
    work, checkpoint = mine_by_dask(options, table, miner, progress)
    miner.seconds_counting = work.seconds_counting
    if work.from_checkpoint:
        print(f"{work.from_checkpoint} of {work.tasks} pieces were in the checkpoint of an earlier run")
    return {"name": "dask", "tasks": work.tasks, "tasks_from_checkpoint": work.from_checkpoint}, checkpoint


class TimedMiner(RelationMiner):
    """A miner that measures how long counting takes, beside the reading that goes on in another thread.

    Attributes:
        seconds_counting: so far.
    """

    seconds_counting = 0.0

    def _add(self, labels: DenseLabels | SparseLabels, groups: npt.NDArray[Any] | None) -> None:
        start = time.perf_counter()
        super()._add(labels, groups)
        self.seconds_counting += time.perf_counter() - start


def _check_varies(counts: TableCounts, files: tuple[str, ...]) -> None:
    """Raise TableError for a table whose labels cannot relate, since at most one of them varies."""
    known, present = counts.counts.n.diagonal(), counts.counts.s.diagonal()
    if ((present > 0) & (present < known)).sum() < 2:
        raise TableError(
            f"expected at least two labels that vary, got {counts.num_labels} labels of {counts.rows} rows of which "
            "all but one at most are constant",
            file=", ".join(files[:3]) + (", ..." if len(files) > 3 else ""),
            remedy="give a table with more rows, or other columns with --labels",
        )


def _write(
    folder: Path, miner: RelationMiner, pairs: PairTable, changes: OverTime | None, facts: dict[str, Any]
) -> None:
    counts = miner.table_counts_
    miner.save(folder / RELATION)
    if changes is not None:
        changes.history.save(folder / HISTORY)
    order = pairs_to_write(pairs)
    with (folder / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        write_pairs(file, pairs, label_names(counts), order)
    write_labels(folder / "labels.csv", counts, pairs)
    facts["pairs_in_pairs_csv"] = len(order)
    (folder / RUN).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _run_facts(
    options: argparse.Namespace, table: LabelTable, counts: TableCounts, ratio: float | None, timing: dict[str, float]
) -> dict[str, Any]:
    """What run.json says."""
    return {
        "files": list(table.files),
        "rows": counts.rows,
        "labels": counts.num_labels,
        "table": table.description(),
        "settings": {
            "decay": options.decay,
            "measure": options.measure,
            "estimator": options.estimator,
            "batch_size": options.batch_size,
        },
        "grouped": counts.grouped,
        "parts": 0 if counts.groups is None else len(counts.groups.s),
        "standard_error_ratio_of_file_order": ratio,
        "timing": {name: round(seconds, 4) for name, seconds in timing.items()},
        "versions": {"obrl": __version__, "numpy": np.__version__, "python": platform.python_version()},
    }


def _report(
    options: argparse.Namespace,
    table: LabelTable,
    miner: RelationMiner,
    counts: TableCounts,
    pairs: PairTable,
    order: RowOrder,
    changes: OverTime | None,
) -> Report:
    """What report.html shows."""
    return report_of_table(
        counts,
        mined=miner.to_numpy(),
        files=table.files,
        file=Path(options.out) / RELATION,
        facts={"batch size": f"{options.batch_size:,}"},
        pairs=pairs,
        order=order,
        findings=() if changes is None else history_findings(changes),
        drift=() if changes is None else (drift_over_time(changes),),
    )


def _summary(counts: TableCounts, pairs: PairTable, timing: dict[str, float], top: int) -> str:
    seconds = timing["seconds"]
    related = pairs.related()
    order = pairs.order("lower")
    order = order[related[order]]
    constant = int(np.isin(counts.rates, (0.0, 1.0)).sum())
    together, apart = (int((pairs.sign[order] == sign).sum()) for sign in (1, -1))
    lines = [
        f"{counts.rows:,} rows x {counts.num_labels} labels in {seconds:.2f} s ({counts.rows / seconds:,.0f} rows/s; "
        f"counting alone {timing['seconds_counting']:.2f} s)",
        f"{len(order):,} of {counted(len(pairs), 'pair')} {'is' if len(order) == 1 else 'are'} related (q <= .05): "
        f"{together:,} {verb(together, 'occur')} together, {apart:,} apart",
    ]
    lines += [f"{constant:,} labels are constant and relate to nothing"] if constant else []
    shown = order[: top or None]
    lines += [shown_pairs(pairs, label_names(counts), shown)] if len(shown) else []
    lines += hidden_rows(len(order), len(shown))
    return "\n".join(lines)
