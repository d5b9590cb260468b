"""One Parquet file: its columns' types, and its rows in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import TableError
from obrl.mining.tables.arrow import require_arrow, strings
from obrl.mining.tables.groups import GROUP, GroupFile
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import Roles, check_names
from obrl.mining.tables.text import open_bytes

MAGIC = b"PAR1"


class ParquetFile:
    """A file that is opened anew for each pass.

    Args:
        path: as the user named it.

    Attributes:
        schema: the pyarrow.Schema.
        rows: how many.
        row_groups: how many each row group has.

    Raises:
        TableError: a damaged file, or columns without distinct names.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.place = path if "://" in path else str(Path(path).absolute())  # a worker may be in another folder
        with open_bytes(path) as file:
            footer = self._open(file)
            self.schema = footer.schema_arrow
            groups = footer.metadata
            self.row_groups = tuple(int(groups.row_group(i).num_rows) for i in range(groups.num_row_groups))
            self.rows = sum(self.row_groups)
        check_names(self.schema.names, path)

    def _open(self, file: Any) -> Any:
        pa = require_arrow("Parquet")
        from pyarrow import parquet

        if not file.seekable():
            raise TableError("a Parquet file packed by gzip cannot be read", file=self.path, remedy="unpack it: gunzip")
        try:
            return parquet.ParquetFile(file, pre_buffer=False)  # a buffer would keep all that was read
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> TableError:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        return TableError(f"the Parquet file is cut off or damaged ({reason})", file=self.path, remedy="fetch it again")

    def batches(self, columns: Sequence[str], rows: int, row_groups: range | None = None) -> Iterator[Any]:
        """Batches of Arrow of at most `rows` rows, in order; of some row groups, or of all.

        Raises:
            TableError: a file that was damaged, or changed after it was opened.
        """
        with open_bytes(self.place) as file:
            content = self._open(file)
            wanted = range(len(self.row_groups)) if row_groups is None else row_groups
            if content.metadata.num_row_groups != len(self.row_groups):
                raise TableError("the file has changed", file=self.path, remedy="start again")
            batches = content.iter_batches(rows, row_groups=list(wanted), columns=list(columns), use_threads=False)
            while True:
                try:
                    batch = next(batches, None)
                except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors
                    raise self._damaged(error) from None
                if batch is None:
                    return
                yield batch


class RowTexts:
    """The ids, groups and further columns of a table's rows.

    Args:
        path: of the table, for errors.
        roles: of its columns.
        options: of the user, whose `groups` may name a file.
    """

    def __init__(self, path: str, roles: Roles, options: TableOptions) -> None:
        self._path, self._roles = path, roles
        wants_file = options.groups is not None and roles.group is None
        self._group_file = GroupFile(str(options.groups)) if wants_file else None
        if wants_file and roles.id is None:
            raise TableError(
                "a file of groups needs ids, and no column names the rows", file=path, remedy="name it with --id COLUMN"
            )
        self.group_column = GROUP if wants_file else roles.group

    def columns(self, batch: Any, first_row: int) -> dict[str, npt.NDArray[Any]]:
        """The columns of a batch of Arrow as texts."""
        columns = {name: strings(batch.column(name)) for name in self._roles.text}
        if self._group_file is not None and self._roles.id is not None:
            columns[GROUP] = self._group_file.groups(columns[self._roles.id], self._path, first_row)
        return columns


def stacked(
    columns: Sequence[tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]],
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Columns as one array, one array row a column, and where they are empty (None for nowhere)."""
    kinds = {values.dtype for values, _ in columns}
    dtype = kinds.pop() if len(kinds) == 1 else np.dtype(np.float64)
    values = np.empty((len(columns), len(columns[0][0])), dtype)
    for position, (column, _) in enumerate(columns):
        values[position] = column
    if all(empty is None for _, empty in columns):
        return values, None
    nowhere = np.zeros(values.shape[1], bool)
    return values, np.stack([nowhere if empty is None else empty for _, empty in columns])
