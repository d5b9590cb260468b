"""Groups of options that several subcommands share."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from obrl.measures import MEASURES
from obrl.mining.errors import MiningError
from obrl.mining.miner import RelationMiner
from obrl.mining.output import RELATION
from obrl.mining.pair_table import CORRECTIONS
from obrl.mining.tables.options import EMPTY, VALUES, TableOptions
from obrl.settings import Settings


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which tables to read, with the options that say what their columns and values mean."""
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="files, folders, patterns or URLs of one table")
    add_table_options(parser)


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add what says what the columns and values of tables mean; see `table_options`."""
    group = parser.add_argument_group("the tables")
    group.add_argument(
        "--labels",
        type=names,
        action="extend",
        metavar="A,B,...",
        help="the columns that are labels (default: all that nothing else claims); put a name with a comma in quotes",
    )
    group.add_argument(
        "--drop", type=names, action="extend", default=[], metavar="A,B,...", help="columns to leave out"
    )
    group.add_argument("--id", metavar="COLUMN", help="the column that names a row (default: the first, if no label)")
    group.add_argument(
        "--groups",
        metavar="COLUMN|FILE",
        help="which rows belong together: a column, or a file of a row's id and its group",
    )
    group.add_argument("--values", choices=VALUES, default="auto", help="what -1 means where 0 and 1 occur too")
    group.add_argument("--empty", choices=EMPTY, default="missing", help="what an empty cell means")
    group.add_argument("--list-column", metavar="COLUMN", help="the column that lists a row's labels, as a|b|c")
    group.add_argument("--none", metavar="WORD", help="the word in a list that means no label, such as 'No Finding'")
    group.add_argument("--format", metavar="NAME", help="the tables' format, in place of what the files themselves say")


def table_options(options: argparse.Namespace, *, keep: Sequence[str] = ()) -> TableOptions:
    """What the options of `add_table_options` say, with further columns to hand on."""
    return TableOptions(
        labels=None if options.labels is None else tuple(options.labels),
        drop=tuple(options.drop),
        id=options.id,
        groups=options.groups,
        keep=tuple(keep),
        values=options.values,
        empty=options.empty,
        list_column=options.list_column,
        none=options.none,
        format=options.format,
    )


def add_relation_argument(parser: argparse.ArgumentParser) -> None:
    """Add the mined relation that a subcommand reads; see `relation_file`."""
    parser.add_argument("relation", metavar="R", help="the folder that `obrl mine --out` wrote, or a relation's .npz")


def relation_file(options: argparse.Namespace) -> Path:
    """The .npz of the relation that the user named.

    Raises:
        MiningError: there is none.
    """
    path = Path(options.relation)
    file = path / RELATION if path.is_dir() else path
    if not file.is_file():
        what = f"the folder holds no {RELATION}" if path.is_dir() else "there is no such file or folder"
        raise MiningError(f"{path}: {what}; mine one with `obrl mine TABLE --out {path}`")
    return file


def load_relation(options: argparse.Namespace) -> RelationMiner:
    """The relation that the user named; raises MiningError where there is none or it cannot be read."""
    file = relation_file(options)
    try:
        return RelationMiner.load(file)
    except ValueError as error:
        raise MiningError(f"{file}: {error}" if str(file) not in str(error) else str(error)) from error


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings of the relation."""
    group = parser.add_argument_group("the relation")
    group.add_argument("--decay", type=float, default=1.0, help="in (0, 1]; 1 weighs all rows equally (default)")
    group.add_argument("--measure", choices=tuple(MEASURES), default="unit_pearson", help="default: %(default)s")
    group.add_argument("--estimator", choices=("counts", "batch"), default="counts", help="default: %(default)s")
    group.add_argument(
        "--batch-size", type=int, default=128, metavar="ROWS", help="rows a batch (default: %(default)s)"
    )


def check_settings(options: argparse.Namespace) -> None:
    """Raise MiningError for settings outside their range, before a table is read."""
    if options.batch_size < 1:
        raise MiningError(f"--batch-size must be at least 1, got {options.batch_size}")
    try:
        Settings(decay=options.decay, measure=options.measure, estimator=options.estimator)
    except (TypeError, ValueError) as error:
        raise MiningError(f"--{error}") from error


def add_test_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how pairs are tested, and how many are shown."""
    parser.add_argument("--q", type=float, default=0.05, help="the largest share of false discoveries (default: .05)")
    parser.add_argument(
        "--correction",
        choices=tuple(CORRECTIONS),
        default="bh",
        help="Benjamini-Hochberg (bh, default), or Benjamini-Yekutieli (by), which holds for any dependence",
    )
    parser.add_argument("--top", type=int, default=50, metavar="N", help="how many to show (default: 50; 0 for all)")


def check_test_options(options: argparse.Namespace) -> None:
    """Raise MiningError for what `add_test_arguments` does not allow, before anything is read."""
    if not 0 < options.q <= 1:
        raise MiningError(f"--q must be in (0, 1], got {options.q}")
    if options.top < 0:
        raise MiningError(f"--top must be at least 0, got {options.top}")


def add_quiet_argument(parser: argparse.ArgumentParser) -> None:
    """Add what silences the progress bar."""
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def names(text: str) -> list[str]:
    """Names separated by commas; a name that holds a comma stands in double quotes.

    Example:
        >>> names('Hat,"Necklace, gold"')
        ['Hat', 'Necklace, gold']
    """
    record = next(csv.reader([text], skipinitialspace=True), [])
    return [name for name in record if name]
