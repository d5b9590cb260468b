"""`obrl compare A B`: which pairs of labels relate otherwise in B than in A."""

from __future__ import annotations

import argparse
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from obrl.mining.changes.comparison import TableComparison, compare
from obrl.mining.changes.comparison_words import columns, some_pairs, summary, write_comparison
from obrl.mining.changes.conditions import columns_in, where
from obrl.mining.changes.drift import comparison_drift, comparison_findings
from obrl.mining.cli.options import (
    add_quiet_argument,
    add_table_options,
    add_test_arguments,
    check_test_options,
    load_relation,
    relation_file,
    table_options,
)
from obrl.mining.cli.progress import Progress
from obrl.mining.errors import MiningError, MiningWarning
from obrl.mining.miner import RelationMiner
from obrl.mining.output import RELATION, check_file, file_of_results
from obrl.mining.report import report_of_table
from obrl.mining.result_tables import hidden_rows
from obrl.mining.row_order import ORDERED_RATIO, row_order
from obrl.mining.tables import open_tables
from obrl.relation import OnlineBatchRelation
from obrl.report.checks import check_size
from obrl.report.code import code_of_file
from obrl.report.content import Finding, Report
from obrl.report.from_relation import report_of_relation
from obrl.report.page import write_report
from obrl.report.words import counted, listed, verb
from obrl.settings import with_thresholds

FAILED = 1
MINED = "mined"
"""Where the code of a report expects A, if A is a table."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl compare`."""
    side = "a table (file, folder, pattern or URL), or a relation: a folder that `obrl mine --out` wrote, or an .npz"
    parser.add_argument("a", metavar="A", help=side)
    parser.add_argument("b", metavar="B", help="what A is compared with, likewise")
    add_table_options(parser)
    add_test_arguments(parser)
    parser.add_argument("--csv", metavar="FILE", help="write all pairs as CSV")
    parser.add_argument("--report", metavar="FILE", help="write a page for a browser: A, and what changed")
    parser.add_argument(
        "--fail-on",
        metavar="CONDITION",
        help="exit with 1 where a pair fulfils it, such as 'q<=.05 and abs(delta)>=.1'; names are those of the CSV",
    )
    add_quiet_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Compare, print what changed, and write the results."""
    _check(options)
    a, b = (_side(path, options) for path in (options.a, options.b))
    names = a.label_names_in_ or b.label_names_in_
    for path, side in ((options.a, a), (options.b, b)):
        _warn_of_order(path, side)
    if options.report is not None:
        check_size(a.to_numpy().num_labels)
    try:
        comparison = compare(a, b, labels=options.labels, correction=options.correction)
    except MiningError as error:
        raise MiningError(f"A is {options.a}, B is {options.b}: {error}") from error
    failing = None if options.fail_on is None else _failing(options.fail_on, comparison, options.q)
    print(summary(comparison, options.q, options.top))
    if options.csv is not None:
        with file_of_results(options.csv, "--csv") as part, part.open("w", encoding="utf-8", newline="") as file:
            write_comparison(file, comparison, options.q)
        print(f"wrote {len(comparison):,} pairs to {options.csv}")
    if options.report is not None:
        with file_of_results(options.report, "--report") as part:
            write_report(part, _report(options, a, names, comparison))
        print(f"wrote {options.report}")
    if failing is None:
        return 0
    print(_in_words(failing, comparison, options))
    return FAILED if len(failing) else 0


def _in_words(failing: np.ndarray, comparison: TableComparison, options: argparse.Namespace) -> str:
    """The pairs that fulfil the condition, with what it asks for."""
    fulfil = f"{counted(len(failing), 'pair')} {verb(len(failing), 'fulfil')} {options.fail_on}"
    if not len(failing):
        return fulfil
    order = comparison.order()
    order = order[np.isin(order, failing)]
    shown = order[: options.top or None]
    asked = columns_in(options.fail_on)
    names = [name for name in columns(comparison, options.q) if name in asked]
    lines = [f"{fulfil}:", some_pairs(comparison, shown, names, options.q)]
    lines += hidden_rows(len(order), len(shown))
    return "\n".join(lines)


def _check(options: argparse.Namespace) -> None:
    """Raise MiningError for options that cannot be met, before a table is read."""
    check_test_options(options)
    for name in ("csv", "report"):
        if getattr(options, name) is not None:
            check_file(getattr(options, name), f"--{name}")
    if options.fail_on is not None:
        # Two labels of one row are enough to see whether the condition can be read.
        where(options.fail_on, columns(compare(*[RelationMiner().fit([[0, 1], [1, 0]])] * 2)))
    if options.groups is not None and all(is_relation(path) for path in (options.a, options.b)):
        raise MiningError("--groups is for tables, got two relations: give it to `obrl mine` when you mine them")


def is_relation(path: str) -> bool:
    """Whether a path is that of a relation, not of a table."""
    place = Path(path)
    if place.is_dir():
        return (place / RELATION).is_file()
    if place.suffix != ".npz" or not zipfile.is_zipfile(place):
        return False
    with zipfile.ZipFile(place) as file:
        return "relation_sum.npy" in file.namelist()


def _side(path: str, options: argparse.Namespace) -> RelationMiner:
    """What the user named: a relation that is read, or a table that is mined."""
    if is_relation(path):
        return load_relation(argparse.Namespace(relation=path))
    table = open_tables([path], table_options(options))
    with Progress(quiet=options.quiet) as progress:
        return RelationMiner().fit_table(table, progress=progress)


def _warn_of_order(path: str, side: RelationMiner) -> None:
    """Warn where neighbouring rows of a table resemble each other, so that too much seems to have changed."""
    try:
        counts = side.table_counts_
    except MiningError:  # a relation that a loss has saved
        return
    ratio = row_order(counts).ratio
    if ratio is not None and ratio > ORDERED_RATIO:
        warnings.warn(
            f"{path}: neighbouring rows resemble each other, so differences are {ratio:.1f} times less sure than q "
            "says: name what groups the rows (--groups)",
            MiningWarning,
            stacklevel=2,
        )


def _failing(condition: str, comparison: TableComparison, q: float) -> np.ndarray:
    """The pairs that fulfil a condition; raises MiningError where it asks for what no pair has."""
    by_name = columns(comparison, q)
    needs_test = columns_in(condition) - {"phi_a", "phi_b", "delta"}
    if needs_test and not comparison.tested:
        raise MiningError(
            f"--fail-on asks for {', '.join(sorted(needs_test))}, but a relation without counts has no test: use "
            "phi_a, phi_b and delta, or mine both tables with `obrl mine`"
        )
    return np.flatnonzero(where(condition, by_name))


def _report(
    options: argparse.Namespace, a: RelationMiner, names: tuple[str, ...] | None, comparison: TableComparison
) -> Report:
    """The page on A, which begins with what changed."""
    name_a, name_b = Path(options.a).name, Path(options.b).name
    if name_a == name_b:  # the paths, as typed, tell them apart
        name_a, name_b = options.a, options.b
    title = f"How the labels of {name_a} relate, and what changed in {name_b}"
    table = not is_relation(options.a)
    file = Path(MINED, RELATION) if table else relation_file(argparse.Namespace(relation=options.a))
    relation = a.to_numpy()
    if comparison.tested:
        facts = {"A": name_a, "B": name_b}
        counts = replace(a.table_counts_, label_names=names)
        report = report_of_table(counts, mined=relation, title=title, file=file, facts=facts)
    else:
        settings = with_thresholds(relation.settings)
        relation = OnlineBatchRelation.from_state(relation.state, relation.settings, names)
        code = code_of_file(relation.num_labels, file, settings)
        report = report_of_relation(relation, settings, title=title, code=code)
    first = f"# Mine A first, here {options.a!r}, with: obrl mine A --out {MINED}\n" if table else ""
    return replace(
        report,
        code=first + report.code,
        findings=(
            *comparison_findings(comparison, q=options.q),
            Finding(f"All that follows is about A alone, {listed([name_a])}."),
            *report.findings,
        ),
        drift=(comparison_drift(comparison, q=options.q),),
    )
