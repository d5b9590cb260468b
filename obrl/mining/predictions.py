"""A model's probabilities for the rows of a label table, from a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import TableError, shortened
from obrl.mining.tables.arrow import numbers, require_arrow, strings
from obrl.mining.tables.npz import load_plain
from obrl.mining.tables.roles import check_names
from obrl.mining.tables.text import open_bytes

FloatArray = npt.NDArray[np.float64]
PARQUET = b"PAR1"
ZIP = b"PK\x03\x04"
ARRAYS = ("probabilities", "pred_probs", "predictions")
"""The names that an array of an .npz may have; of a single matrix the name does not matter."""


def read_predictions(
    path: str,
    label_names: Sequence[str],
    rows: int,
    *,
    id_column: str | None = None,
    ids: Callable[[], npt.NDArray[Any]] | None = None,
) -> FloatArray:
    """Read probabilities, row for row of a table.

    Args:
        path: an .npz with a matrix (and `label_names`, where its columns have another order), or CSV or Parquet with a
            column for each label; other columns are passed over.
        label_names: the columns of the result.
        rows: of the table.
        id_column: the name of the table's column of ids, which a column of the file may have, too; an .npz has `ids`.
        ids: gives the ids of the table's rows, (rows,); called where the file holds ids.

    Returns:
        (rows, num_labels) float64 in [0, 1].

    Raises:
        TableError: no such file, a label without a column, another number of rows, a row with another id than the
            table's, or a value outside [0, 1].
    """
    with open_bytes(path) as file:
        start = file.read(4)
    if start == ZIP:
        names, values, ids_here = _from_npz(path, label_names)
    else:
        names, values, ids_here = _from_columns(path, id_column, label_names, parquet=start == PARQUET)
    check_names([name for name in names if name in set(label_names)], path)
    position = {name: number for number, name in enumerate(names)}
    if missing := [name for name in label_names if name not in position]:
        raise TableError(
            f"there are no predictions for {len(missing)} of {len(label_names)} labels",
            file=path,
            column=missing[0],
            remedy="give each label a column of its name, or choose labels with --labels",
        )
    chosen = np.ascontiguousarray(values[:, [position[name] for name in label_names]], np.float64)
    if len(chosen) != rows:
        raise TableError(f"expected a row for each of the table's {rows} rows, got {len(chosen)}", file=path)
    if ids is not None and ids_here is not None:
        _check_ids(path, ids_here, ids())
    wrong = ~((chosen >= 0) & (chosen <= 1))
    if wrong.any():
        row, label = (int(index[0]) for index in np.nonzero(wrong))
        raise TableError(
            "a probability must lie in [0, 1]",
            file=path,
            row=row + 1,
            column=label_names[label],
            value=chosen[row, label].item(),
            remedy="apply the sigmoid to logits",
        )
    return chosen


def _check_ids(path: str, here: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    """Raise TableError for the first row whose id is not the table's."""
    differ = np.flatnonzero(here.astype(str) != expected.astype(str))
    if len(differ):
        row = int(differ[0])
        raise TableError(
            f"expected the prediction of the table's {shortened(str(expected[row]))}",
            file=path,
            row=row + 1,
            value=str(here[row]),
            remedy="bring the predictions into the order of the table, row for row",
        )


def _from_npz(path: str, label_names: Sequence[str]) -> tuple[list[str], npt.NDArray[Any], npt.NDArray[Any] | None]:
    arrays = load_plain(path)
    matrices = {name: array for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "biuf"}
    name = next((name for name in ARRAYS if name in matrices), None)
    if name is None and len(matrices) != 1:
        raise TableError("there is no array named probabilities", file=path, remedy="save the matrix under this name")
    values = matrices[name or next(iter(matrices))]
    names = [str(entry) for entry in arrays["label_names"].tolist()] if "label_names" in arrays else list(label_names)
    if values.shape[1] != len(names):
        raise TableError(f"expected a matrix with {len(names)} columns, got shape {values.shape}", file=path)
    ids = arrays.get("ids")
    return names, values, ids if ids is not None and ids.shape == (len(values),) else None


def _from_columns(
    path: str, id_column: str | None, label_names: Sequence[str], *, parquet: bool
) -> tuple[list[str], FloatArray, npt.NDArray[Any] | None]:
    pa = require_arrow("predictions")
    with open_bytes(path) as file:
        try:
            if parquet:
                from pyarrow import parquet as arrow_parquet

                table = arrow_parquet.read_table(file)
            else:
                from pyarrow import csv as arrow_csv

                as_text = {} if id_column is None else {id_column: pa.string()}  # so that 007 stays 007
                table = arrow_csv.read_csv(file, convert_options=arrow_csv.ConvertOptions(column_types=as_text))
        except (pa.ArrowInvalid, OSError) as error:
            raise TableError(
                f"the predictions cannot be read ({str(error).splitlines()[0][:120]})", file=path
            ) from None
    has_ids = id_column is not None and id_column not in label_names and table.schema.names.count(id_column) == 1
    ids = strings(table.column(id_column)) if has_ids else None
    fields = [(position, field) for position, field in enumerate(table.schema) if _holds_numbers(field.type)]
    values = np.empty((table.num_rows, len(fields)))
    for place, (position, field) in enumerate(fields):
        column = table.column(position).combine_chunks()
        column, empty = numbers(column.cast("double") if str(field.type).startswith("decimal") else column)
        values[:, place] = column
        if empty is not None:
            values[empty, place] = np.nan
    return [field.name for _, field in fields], values, ids


def _holds_numbers(kind: object) -> bool:
    return str(kind).startswith(NUMBER_TYPES)


NUMBER_TYPES = ("double", "float", "halffloat", "int", "uint", "bool", "decimal")
"""How the names of the types begin that may hold probabilities."""
