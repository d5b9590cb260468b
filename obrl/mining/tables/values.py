"""What the values of a table mean: present, absent or missing.

0 and 1, true and false, and -1 and 1 each say absent and present. A table that holds -1 beside 0 and 1 may mean
uncertain by it, as CheXpert does, so it is refused until the user says what -1 means. An empty cell is missing unless
the user says that it means absent.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.blocks import MISSING
from obrl.mining.errors import MiningWarning, TableError
from obrl.mining.tables.options import EMPTY, VALUES, TableOptions

Codes = npt.NDArray[np.int8]
Place = Callable[[int, int], dict[str, Any]]
"""Says where an entry stands, from its column and row in the array: the arguments of `TableError`."""

UNCERTAIN = {"u-ignore": MISSING, "u-zeros": 0, "u-ones": 1}
WHAT_IS_ALLOWED = "a label must be 0 or 1, -1 or 1, true or false, or empty"


class ValueCoding:
    """Turns the values of one table into codes, and remembers which values occurred in it.

    Args:
        options: `values` and `empty` count.
        occurred: of each piece of the table that was read elsewhere, the `occurred` of its coding.

    Raises:
        ValueError: an option outside its choices.
    """

    def __init__(self, options: TableOptions, occurred: Iterable[Sequence[bool]] = ()) -> None:
        if options.values not in VALUES:
            raise ValueError(f"--values must be one of {', '.join(VALUES)}, got {options.values!r}")
        if options.empty not in EMPTY:
            raise ValueError(f"--empty must be one of {', '.join(EMPTY)}, got {options.empty!r}")
        self._options = options
        self._occurred = dict.fromkeys((-1, 0, 1, None), False)
        for flags in occurred:
            self._occurred = {
                value: seen or flag for (value, seen), flag in zip(self._occurred.items(), flags, strict=True)
            }

    @property
    def occurred(self) -> tuple[bool, ...]:
        """Whether -1, 0, 1 and empty cells occurred."""
        return tuple(self._occurred.values())

    def codes(self, values: npt.NDArray[Any], empty: npt.NDArray[np.bool_] | None, place: Place) -> tuple[Codes, bool]:
        """The codes of some rows.

        Args:
            values: (num_labels, rows): bool, integers or floating point; NaN is empty.
            empty: (num_labels, rows), True where a cell is empty, whatever `values` holds there; None where none is.
            place: says where an entry stands, for an error.

        Returns:
            int8 codes, (num_labels, rows), and whether none is missing.

        Raises:
            TableError: a value that is no label, or -1 beside 0 where nobody said what -1 means.
        """
        if values.dtype.kind == "f":
            nan = np.isnan(values)
            if nan.any():
                empty = nan if empty is None else empty | nan
        if empty is not None and empty.any():
            self._occurred[None] = True
            values = np.where(empty, 1, values)  # 1 is allowed in every coding
        else:
            empty = None
        codes = self._whole_numbers(values, place)
        self._occurred[1] = self._occurred[1] or bool(
            (codes == 1).any() if empty is None else (codes[~empty] == 1).any()
        )
        codes = self._without_minus(codes, place)
        if empty is not None:
            codes[empty] = MISSING if self._options.empty == "missing" else 0
        return codes, not (codes == MISSING).any()

    def _whole_numbers(self, values: npt.NDArray[Any], place: Place) -> Codes:
        """The values as -1, 0 and 1, in an array that the caller may change."""
        if values.dtype.kind == "b":
            return values.astype(np.int8)
        if values.size and not (values.min() >= -1 and values.max() <= 1):
            _refuse(values, (values < -1) | (values > 1), place)
        codes: Codes = values.astype(np.int8)
        if values.dtype.kind == "f" and not (wrong := codes == values).all():
            _refuse(values, ~wrong, place)
        return codes

    def _without_minus(self, codes: Codes, place: Place) -> Codes:
        """Replace -1 by what it means."""
        minus = codes == -1
        has_minus, has_zero = bool(minus.any()), bool((codes == 0).any())
        if self._options.values != "auto":
            codes[minus] = UNCERTAIN[self._options.values]
        else:
            both = (has_minus or self._occurred[-1]) and (has_zero or self._occurred[0])
            if both:
                offender = minus if has_minus else codes == 0
                column, row = (int(index[0]) for index in np.nonzero(offender))
                raise TableError(
                    "the table holds 0, 1 and -1, and -1 may mean uncertain",
                    **place(column, row),
                    value=int(codes[column, row]),
                    remedy="say what -1 means with --values u-ignore (missing), u-zeros (absent) or u-ones (present)",
                )
            codes[minus] = 0
        self._occurred[-1] |= has_minus
        self._occurred[0] |= has_zero
        return codes

    def finish(self, file: str) -> None:
        """Warn where the whole table is 1 and empty cells alone, which may mean absent."""
        occurred = {value for value, seen in self._occurred.items() if seen}
        if occurred == {1, None} and self._options.empty == "missing":
            warnings.warn(
                f"{file}: every cell is 1 or empty, and empty cells count as missing, so no label is ever absent; "
                "where they mean absent, pass --empty absent",
                MiningWarning,
                stacklevel=2,
            )

    def description(self) -> dict[str, Any]:
        """Which values occurred, and how -1 and empty cells were read."""
        values = sorted(value for value, seen in self._occurred.items() if seen and value is not None)
        return {"values": values, "empty_cells": self._occurred[None], "empty": self._options.empty, **self._minus()}

    def _minus(self) -> dict[str, str]:
        if not self._occurred[-1]:
            return {}
        return {"minus_one": "absent" if self._options.values == "auto" else self._options.values}


def _refuse(values: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], place: Place) -> None:
    """Raise for the first wrong entry, by row."""
    row, column = (int(index[0]) for index in np.nonzero(wrong.T))
    where = place(column, row)
    raise TableError(
        WHAT_IS_ALLOWED, **where, value=values[column, row].item(), remedy=remedy_for_column(where.get("column"))
    )


def remedy_for_column(column: str | None, *, names_rows: bool = False) -> str:
    """What to do with a column whose values are no labels; `names_rows` where they look like the rows' ids."""
    drop = "" if column is None else f" leave the column out with --drop {_quoted(column)}, or"
    names = f"if the column names the rows, say so with --id {_quoted(column or '')}; else " if names_rows else ""
    return f"{names}correct it,{drop or ' or'} name the columns that are labels with --labels"


def _quoted(column: str) -> str:
    shown = column if len(column) <= 60 else f"{column[:57]}..."
    return shown if shown.isidentifier() else f"'{shown}'"
