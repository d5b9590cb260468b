"""A mined relation as a file: the .npz of every relation, with the counts of the table as further arrays.

A loss of any framework starts from such a file and passes over the counts.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.accumulate import TableCounts
from obrl.relation import OnlineBatchRelation
from obrl.storage import interpret_arrays, load_arrays, save_relation

COUNTED = ("counts_n", "counts_s", "counts_r", "counts_rows", "counts_grouped")
NUM_GROUPS = "counts_num_groups"
PARTS = ("parts_n", "parts_s", "parts_r")


def save_mined(
    path: str | os.PathLike[str], relation: OnlineBatchRelation, counts: TableCounts | None, batch_size: int
) -> None:
    """Write a relation with the counts that it was mined from; the file appears whole or not at all.

    Args:
        path: the file, written under exactly this name.
        relation: what a loss may start from.
        counts: of the table, or None where only the relation is known.
        batch_size: rows a batch, stored for whoever asks how many rows a relation of batches rests on.
    """
    further: dict[str, npt.NDArray[Any]] = {"batch_size": np.array(batch_size)}
    if counts is not None:
        further |= dict(zip(COUNTED, _arrays(counts), strict=True))
        if counts.num_groups is not None:
            further[NUM_GROUPS] = np.array(counts.num_groups)
        if counts.groups is not None:
            further |= {name: _small(part) for name, part in zip(PARTS, counts.groups, strict=False)}
    save_relation(path, relation.state, relation.settings, relation.label_names, further=further)


def load_mined(path: str | os.PathLike[str]) -> tuple[OnlineBatchRelation, TableCounts | None, int | None]:
    """Read a relation, with the counts and the batch size where the file holds them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no relation of obrl, or its counts do not belong to it.
    """
    arrays = load_arrays(path)
    relation = OnlineBatchRelation.from_state(*interpret_arrays(arrays, path))
    batch_size = int(arrays["batch_size"]) if "batch_size" in arrays else None
    if not set(COUNTED) <= set(arrays):
        return relation, None, batch_size
    size = (relation.num_labels, relation.num_labels)
    n, s, r = (arrays[name] for name in COUNTED[:3])
    if any(field.shape != size or field.dtype.kind not in "iu" for field in (n, s, r)):
        raise ValueError(f"expected counts of {size[0]} labels beside the relation in {os.fspath(path)}, got {n.shape}")
    counts = PairCounts(*(field.astype(np.int64) for field in (n, s, r, r.T)))
    groups = None
    if set(PARTS) <= set(arrays):
        n, s, r = (arrays[name].astype(np.int64) for name in PARTS)
        groups = PairCounts(n, s, r, r.transpose(0, 2, 1))
    rows, grouped = int(arrays["counts_rows"]), bool(arrays["counts_grouped"])
    num_groups = int(arrays[NUM_GROUPS]) if NUM_GROUPS in arrays else None
    return relation, TableCounts(counts, rows, groups, grouped, relation.label_names, num_groups), batch_size


def _arrays(counts: TableCounts) -> tuple[npt.NDArray[Any], ...]:
    n, s, r, _ = (_small(np.asarray(field)) for field in counts.counts)
    return n, s, r, np.array(counts.rows), np.array(counts.grouped)


def _small(field: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same whole numbers in the narrowest dtype that holds them."""
    return field.astype(np.min_scalar_type(int(field.max()))) if field.size else field
