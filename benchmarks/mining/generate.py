"""Parquet files of many rows whose counts are known: one drawn block of rows, written again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FACTORS = 6
ROW_GROUP = 2**20
"""Rows of a row group, pyarrow's own default."""


def draw_block(rows: int, num_labels: int, *, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows of labels that depend on a few common causes.

    Args:
        rows: how many.
        num_labels: M.
        share: of ones, on average over the labels; it differs between labels.
        rng: where the numbers come from.

    Returns:
        (num_labels, rows), bool.
    """
    causes = rng.standard_normal((FACTORS, rows), np.float32)
    shares = np.clip(share * np.exp(rng.normal(0, 0.5, num_labels)), 1e-3, 0.9)
    labels = np.empty((num_labels, rows), bool)
    for position in range(num_labels):
        score = 0.4 * rng.standard_normal(FACTORS, np.float32) @ causes + rng.standard_normal(rows, np.float32)
        labels[position] = score > np.quantile(score, 1 - shares[position])
    return labels


def write_parquet(path: Path, block: NDArray[np.bool_], repeats: int, *, dtype: str = "int8") -> None:
    """Write the rows of `block` `repeats` times, in row groups of about a million rows.

    Args:
        path: the file.
        block: (num_labels, rows).
        repeats: how many times its rows are written; the counts of the file are this many times those of the block.
        dtype: of the columns, "int8" or "bool".
    """
    import pyarrow as pa
    from pyarrow import parquet

    names = [f"label_{number:04d}" for number in range(len(block))]
    table = pa.table([pa.array(label.astype(dtype)) for label in block], names=names)
    at_once = min(repeats, max(1, ROW_GROUP // block.shape[1]))
    with parquet.ParquetWriter(path, table.schema) as writer:
        for start in range(0, repeats, at_once):
            writer.write_table(pa.concat_tables([table] * min(at_once, repeats - start)), row_group_size=ROW_GROUP)
