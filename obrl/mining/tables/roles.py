"""Which columns of a table are labels, and which name or group its rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from obrl.mining.errors import MiningWarning, TableError, shortened
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.values import WHAT_IS_ALLOWED, remedy_for_column

SPELLINGS = frozenset(
    ["yes", "no", "y", "n", "t", "f", "on", "off", "present", "absent", "positive", "negative", "pos", "neg"]
)
"""A column of these words holds labels in a spelling that is not read, and must not be passed over."""


class Offender(NamedTuple):
    """A value that is no label, of a column's first rows.

    Attributes:
        value: the first such value.
        row: its row; None where the whole column is of a type that holds no labels.
        words: whether the column holds words alone, such as an annotator's name, and can be passed over.
        distinct: whether all its values differ, so that it may name the rows.
    """

    value: str
    row: int | None
    words: bool = False
    distinct: bool = False


def offender_of(cells: Sequence[str], usable: Sequence[bool]) -> Offender | None:
    """What is no label in the first rows of a column, or None.

    Args:
        cells: of the first rows.
        usable: for each of them, whether it could be a label, as an empty one can.

    Example:
        >>> offender_of(["Ann", "Bob", "Ann"], [False, False, False])
        Offender(value='Ann', row=1, words=True, distinct=False)
    """
    if all(usable):
        return None
    row = usable.index(False)
    words = all(not usable[k] and _is_word(cell) for k, cell in enumerate(cells) if cell.strip())
    return Offender(cells[row], row + 1, words, len(set(cells)) == len(cells))


def _is_word(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() not in SPELLINGS
    return False


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns by what they are for.

    Attributes:
        labels: names of the label columns, in order.
        id: the column that names a row, or None.
        group: the column of groups, or None.
        others: further columns to hand on.
    """

    labels: tuple[str, ...]
    id: str | None
    group: str | None
    others: tuple[str, ...]

    @property
    def text(self) -> tuple[str, ...]:
        """All columns that are read as text, each once."""
        wanted = [self.id, self.group, *self.others]
        return tuple(dict.fromkeys(name for name in wanted if name is not None))


def check_names(names: Sequence[str], file: str) -> None:
    """Raise TableError for names of columns that are empty or occur twice."""
    for position, name in enumerate(names, 1):
        if not name.strip():
            raise TableError(f"column {position} has no name", file=file, remedy="name every column in the header")
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise TableError(
            "two columns have the same name", file=file, column=repeated, remedy="rename one of them in the header"
        )


def may_name_rows(cells: Sequence[str], usable: Sequence[bool]) -> bool:
    """Whether a first column names its rows: most of its cells are no labels, or all are distinct.

    A column of labels with a typing error must not pass for one.

    Args:
        cells: of the first rows.
        usable: for each of them, whether it could be a label.

    Example:
        >>> may_name_rows(["1", "0", "maybe", "0"], [True, True, False, True])
        False
    """
    return not all(usable) and (2 * sum(usable) < len(usable) or len(set(cells)) == len(cells))


def choose_roles(
    names: Sequence[str],
    unusable: Mapping[str, Offender],
    options: TableOptions,
    file: str,
    *,
    first_names_rows: bool = True,
) -> Roles:
    """Say what each column is for.

    Args:
        names: all columns, in order.
        unusable: the columns whose first rows hold values that are no labels, with the first such value.
        options: of the user.
        file: for errors.
        first_names_rows: whether a first column that is unusable names the rows, where the user says nothing.

    Raises:
        TableError: a column that the options name and the table lacks, a column of numbers that are no labels and that
            no option claims, or no label column at all.

    Warns:
        MiningWarning: columns of words that no option claims, such as an annotator's name, are passed over.
    """
    groups = _group_column(options, names)
    _check_there((options.id, groups, *options.keep, *options.drop, *(options.labels or ())), names, file)
    claimed = {options.id, groups, *options.keep, *options.drop}
    name_of_row = options.id
    is_free = bool(names) and names[0] not in {*claimed, *(options.labels or ())}
    if name_of_row is None and first_names_rows and is_free and names[0] in unusable:
        name_of_row = names[0]
    if options.labels is not None:
        labels = tuple(name for name in options.labels if name not in options.drop)
    else:
        free = [name for name in names if name not in claimed and name != name_of_row]
        labels = tuple(name for name in free if name not in unusable)
        _pass_over({name: unusable[name] for name in free if name in unusable}, file, enough=len(labels) > 1)
    if not labels:
        raise TableError(
            f"no column is left that could hold labels, of {len(names)}", file=file, remedy="name them with --labels"
        )
    check_enough(labels, file)
    return Roles(tuple(labels), name_of_row, groups, options.keep)


def _pass_over(unusable: Mapping[str, Offender], file: str, *, enough: bool) -> None:
    """Warn of columns that hold words alone, where labels remain.

    Raises:
        TableError: another column that is no label.
    """
    for name, offender in unusable.items():
        if not (offender.words and enough):
            raise TableError(
                WHAT_IS_ALLOWED,
                file=file,
                row=offender.row,
                column=name,
                value=offender.value,
                remedy=remedy_for_column(name, names_rows=offender.distinct),
            )
    if unusable:
        shown = [
            f"{name[:40]} ({offender.value[:40] if offender.row is None else shortened(offender.value, 30)})"
            for name, offender in list(unusable.items())[:5]
        ]
        more = f", and {len(unusable) - 5} more" if len(unusable) > 5 else ""
        # Without the file's name, so that many files of one table give one warning.
        warnings.warn(
            f"columns that hold no labels are passed over: {', '.join(shown)}{more}; --drop does so in silence",
            MiningWarning,
            stacklevel=2,
        )


def list_roles(names: Sequence[str], labels: Sequence[str], options: TableOptions, file: str) -> Roles:
    """The same for a table of which one column lists the labels.

    Args:
        names: all columns, in order.
        labels: the labels that rows list.
        options: of the user; `labels` and `drop` concern the labels, not the columns.
        file: for errors.

    Raises:
        TableError: a column that the options name and the table lacks, or fewer than two labels.
    """
    groups = _group_column(options, names)
    _check_there((options.id, groups, options.list_column, *options.keep), names, file)
    check_enough(labels, file)
    return Roles(tuple(labels), options.id, groups, options.keep)


def _group_column(options: TableOptions, names: Sequence[str]) -> str | None:
    """The column of groups; None where they come from a file, or there are none."""
    groups = options.groups
    return None if groups is None or (groups not in names and Path(groups).is_file()) else groups


def _check_there(wanted: Sequence[str | None], names: Sequence[str], file: str) -> None:
    for name in wanted:
        if name is not None and name not in names:
            raise _no_such_column(name, names, file)


def check_enough(labels: Sequence[str], file: str) -> None:
    """Raise TableError for a single label, which relates to nothing."""
    if len(labels) < 2:
        raise TableError(
            "expected at least two labels, since one relates to nothing",
            file=file,
            value=", ".join(labels),
            remedy="name more columns with --labels, or give the delimiter's format with --format csv or tsv",
        )


def _no_such_column(name: str, names: Sequence[str], file: str) -> TableError:
    close = get_close_matches(name, names, n=1)
    shown = ", ".join(repr(name[:40]) for name in names[:6]) + (", ..." if len(names) > 6 else "")
    remedy = f"did you mean {close[0]!r}?" if close else f"its columns are {shown}"
    return TableError("there is no such column", file=file, column=name, remedy=remedy)
