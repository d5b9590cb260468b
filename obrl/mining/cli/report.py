"""`obrl report R [TABLE...]`: one HTML file on a mined relation, or on one that a loss has saved."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from obrl.counts import two_present
from obrl.history import History
from obrl.mining.changes.drift import drift_over_time, history_findings
from obrl.mining.changes.over_time import over_time
from obrl.mining.cli.options import (
    add_quiet_argument,
    add_relation_argument,
    add_table_options,
    load_relation,
    relation_file,
    table_options,
)
from obrl.mining.cli.progress import Progress
from obrl.mining.cli.table_counts import count_parts, counts_in_order, table_order
from obrl.mining.errors import MiningError
from obrl.mining.miner import RelationMiner
from obrl.mining.output import HISTORY, RELATION, RUN, check_file, file_of_results
from obrl.mining.report import report_of_table
from obrl.mining.report_suspects import REFUSED, suspects_of
from obrl.mining.suspect_list import read_suspects
from obrl.mining.suspects import SuspectFinder
from obrl.mining.tables import open_tables
from obrl.relation import OnlineBatchRelation
from obrl.report.checks import check_size
from obrl.report.code import code_of_file
from obrl.report.content import Finding, Report
from obrl.report.from_relation import report_of_relation
from obrl.report.page import write_report
from obrl.storage import load_relation as load_stored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl report`."""
    add_relation_argument(parser)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="files, folders, patterns or URLs of one table")
    add_table_options(parser)
    group = parser.add_argument_group("the report")
    group.add_argument("--out", required=True, metavar="FILE", help="the HTML file to write")
    group.add_argument(
        "--top", type=int, default=1000, metavar="N", help="list so many suspects of the TABLE (default: 1000)"
    )
    group.add_argument(
        "--no-rows", action="store_true", help="name no row of the TABLE: only how many suspects each label has"
    )
    add_quiet_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the report."""
    if options.top < 1:
        raise MiningError(f"--top must be at least 1, got {options.top}")
    check_file(options.out)
    miner = load_relation(options)
    check_size(miner.to_numpy().num_labels)
    report = _with_suspects(options, miner) if options.tables else _report(options, miner, miner.label_names_in_)
    with file_of_results(options.out) as part:
        write_report(part, report)
    print(f"wrote {options.out}")
    return 0


def _with_suspects(options: argparse.Namespace, miner: RelationMiner) -> Report:
    """The report with the suspects of the tables, by the counts of the relation, else by those of the tables."""
    table = open_tables(options.tables, table_options(options))
    which = table_order(options.relation, miner, table)
    try:
        counts = counts_in_order(miner.counts_, which)
    except MiningError:  # a relation that a loss has saved
        counts = count_parts(table, quiet=options.quiet)[0]
    names = table.label_names if miner.label_names_in_ is None else miner.label_names_in_
    if not two_present(counts):
        return _report(options, miner, names, findings=(REFUSED,))
    finder = SuspectFinder(counts, top=options.top)
    with Progress(quiet=options.quiet) as progress:
        places = read_suspects(table, finder, progress=progress)
    suspects, finding = suspects_of(finder, places, which, names, show_rows=not options.no_rows)
    return replace(_report(options, miner, names, findings=(finding,)), suspects=suspects)


def _report(
    options: argparse.Namespace,
    miner: RelationMiner,
    names: tuple[str, ...] | None,
    *,
    findings: tuple[Finding, ...] = (),
) -> Report:
    """The report of the relation, with names for its labels; of a loss by the thresholds that it had."""
    file = relation_file(options)
    try:
        counts = replace(miner.table_counts_, label_names=names)
    except MiningError:  # a relation that a loss has saved
        state, settings, _ = load_stored(file)
        relation = OnlineBatchRelation.from_state(state, settings, names)
        title = f"How the labels of {file.name} relate"
        code = code_of_file(relation.num_labels, file, settings)
        report = report_of_relation(relation, settings, title=title, code=code, findings=findings)
    else:
        files = _mined_files(file)
        report = report_of_table(counts, mined=miner.to_numpy(), files=files, file=file, findings=findings)
    history = file.with_name(HISTORY)
    if file.name == RELATION and history.is_file():  # of `obrl mine --history`, or of a training run
        changes = over_time(History.load(history))
        report = replace(
            report, drift=(drift_over_time(changes),), findings=(*report.findings, *history_findings(changes))
        )
    return report


def _mined_files(relation: Path) -> tuple[str, ...]:
    """The table's files, which `obrl mine` names beside the relation; else the file of the relation."""
    run = relation.with_name(RUN)
    if relation.name == RELATION and run.is_file():
        try:
            facts = json.loads(run.read_text(encoding="utf-8"))
        except ValueError:  # damaged, and only a name hangs on it
            facts = None
        files = facts.get("files") if isinstance(facts, dict) else None
        if files and isinstance(files, list) and all(isinstance(name, str) for name in files):
            return tuple(files)
    return (str(relation),)
