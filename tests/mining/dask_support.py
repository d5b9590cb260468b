"""What the tests of mining with Dask share: two workers of this machine, a folder of Parquet files, and comparisons."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl.mining import RelationMiner
from obrl.mining.cluster import pieces
from obrl.mining.cluster.checkpoint import Checkpoint
from obrl.mining.cluster.engine_dask import open_parquet_tables
from obrl.mining.cluster.pieces import PieceTable, plan_tasks
from obrl.mining.cluster.segments import Cuts
from obrl.mining.cluster.worker import mine_task
from obrl.mining.tables import TableOptions, open_tables
from obrl.mining.tables.several import SeveralTables
from tests.mining.same_counts import MOST_DIFFERENCE, assert_same_counts

NAMES = ("Hat", "Beard", "Bald", "Smile", "Gown")
ROWS = 3_000
ROW_GROUP = 150
TASKS = 22
"""The row groups of the folder."""
LABELS = TableOptions(labels=NAMES, id="photo")
GROUPED = TableOptions(labels=NAMES, id="photo", groups="person")


@contextmanager
def two_workers() -> Iterator[Any]:
    """A client of a cluster of two processes, as somebody else has started it."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def write_folder(place: Path) -> None:
    """Write three files of labels with missing entries, ids and groups, in row groups that fit no batch."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    cause = rng.random((ROWS, 1)) < 0.5
    values = (rng.random((ROWS, 5)) < np.where(cause, 0.6, 0.2)).astype(float)
    values[rng.random(values.shape) < 0.05] = np.nan
    people = rng.integers(0, 400, ROWS)
    for number, part in enumerate(np.array_split(np.arange(ROWS), [1_000, 1_011])):
        columns: dict[str, Any] = {"photo": [f"{row}.jpg" for row in part], "person": people[part].astype(str)}
        columns |= {name: pa.array(values[part, i], from_pandas=True) for i, name in enumerate(NAMES)}
        parquet.write_table(pa.table(columns), place / f"part-{number}.parquet", row_group_size=ROW_GROUP)


def write(path: Path, columns: dict[str, Any]) -> str:
    """Write columns in row groups of four rows; returns the name."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, row_group_size=4)
    return str(path)


def assert_same(miner: RelationMiner, expected: RelationMiner, *, bits: bool = False) -> None:
    """The same counts, bit for bit, and the same relation."""
    assert_same_counts(miner.table_counts_, expected.table_counts_)
    assert miner.label_names_in_ == expected.label_names_in_
    atol = 0 if bits else MOST_DIFFERENCE
    np.testing.assert_allclose(miner.relation_, expected.relation_, rtol=0, atol=atol)
    np.testing.assert_allclose(miner.to_numpy().relation_weight, expected.to_numpy().relation_weight, rtol=1e-12)


def mined_here(paths: list[str], options: TableOptions, **settings: Any) -> RelationMiner:
    """What one process mines."""
    return RelationMiner(**settings).fit_table(open_tables(paths, options))


def submitted(client: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first rows of the tasks that a client is asked to do from now on."""
    rows: list[int] = []
    submit = client.submit

    def watched(function: Any, *arguments: Any, **options: Any) -> Any:
        if function is mine_task:
            rows.append(arguments[1].first_row)
        return submit(function, *arguments, **options)

    monkeypatch.setattr(client, "submit", watched)
    return rows


def tables_and_tasks(
    paths: list[str], options: TableOptions = LABELS
) -> tuple[list[PieceTable], list[pieces.Task], Cuts]:
    """The tables of files, and how they are divided."""
    table = open_parquet_tables(paths, options)
    parts = table.tables if isinstance(table, SeveralTables) else [table]
    tables = [part for part in parts if isinstance(part, PieceTable)]
    cuts = Cuts(5, 100, None, 128)
    return tables, plan_tasks(tables, options, cuts), cuts


def results_in(checkpoint: Checkpoint) -> list[Path]:
    """The files of a checkpoint."""
    return [*checkpoint.folder.glob("*.npz")] if checkpoint.folder.is_dir() else []
