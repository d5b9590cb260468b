"""What goes wrong while mining, in words for the person at the command line: one line each, with the remedy."""

from __future__ import annotations


class MiningError(ValueError):
    """A foreseeable error; the command line prints it as one line and exits with 2."""

    __module__ = "obrl.mining"


class TableError(MiningError):
    """A table that cannot be read as labels.

    Args:
        problem: what is wrong, without a full stop.
        file: the file as the user named it.
        row: the data row, counted from 1 after the header; None where the error concerns no row.
        line: the line of a text file, counted from 1; None where there is none.
        column: the name of the column, or None.
        value: what stands there, or None.
        remedy: what the user can do.

    Example:
        >>> print(TableError("the value is none of 0 and 1", file="a.csv", row=3, column="Hat", value="yes",
        ...                  remedy="drop the column with --drop Hat"))
        a.csv, row 3, column 'Hat': the value is none of 0 and 1, got 'yes'; drop the column with --drop Hat
    """

    __module__ = "obrl.mining"

    def __init__(
        self,
        problem: str,
        *,
        file: str,
        row: int | None = None,
        line: int | None = None,
        column: str | None = None,
        value: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.file, self.row, self.line = problem, file, row, line
        self.column, self.value, self.remedy = column, value, remedy
        place = [file]
        place += [] if row is None else [f"row {row}"]
        place += [] if line is None else [f"line {line}"]
        place += [] if column is None else [f"column {shortened(column)}"]
        came = "" if value is None else f", got {shortened(value)}"
        after = "" if remedy is None else f"; {remedy}"
        super().__init__(f"{', '.join(place)}: {problem}{came}{after}")


class EmptyTable(TableError):  # noqa: N818 - it is one only where no other file of the table has rows
    """A file without rows; as one of several it is passed over."""

    __module__ = "obrl.mining"


class NoThresholds(MiningError):  # noqa: N818 - its absence is what one asks for
    """No pair of thresholds is worth supervising with: the relation is too weak."""

    __module__ = "obrl.mining"


class MiningWarning(UserWarning):
    """Something about a table that its owner should know."""

    __module__ = "obrl.mining"


def shortened(value: object, limit: int = 60) -> str:
    """The `repr` of a value, cut to `limit` characters, so that an error stays one readable line."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
