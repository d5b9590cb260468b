"""Mining Parquet files with Dask: workers mine row groups where they lie, and this process merges what they send.

Nothing but results travels: some kilobytes for each piece of a table of 40 labels. Each becomes a file of the
checkpoint as it comes, and when all are there they are merged in order, so that the result does not depend on which
worker was faster.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obrl.errors import check_label_names
from obrl.mining.batches import relation_of_counts
from obrl.mining.cluster.checkpoint import Checkpoint
from obrl.mining.cluster.dask_client import local_cluster, mine_tasks, require_dask
from obrl.mining.cluster.pieces import PieceTable, Task, plan_tasks
from obrl.mining.cluster.segments import (
    Cuts,
    Segment,
    cuts_of_table,
    merge_all,
    relation_of_segment,
    table_counts_of,
)
from obrl.mining.errors import MiningError, TableError
from obrl.mining.miner import RelationMiner
from obrl.mining.tables import format_of_content, open_tables
from obrl.mining.tables.options import LabelTable, TableOptions
from obrl.mining.tables.paths import expand
from obrl.mining.tables.several import SeveralTables, check_minus

Progress = Callable[[int, float], None]
"""Is told the rows that were mined since it was told last, and the share of all that is done."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done.

    Attributes:
        tasks: number of tasks that the table was divided into.
        from_checkpoint: how many of them had a result in the checkpoint of an earlier run.
        seconds_counting: the time that counting took, over all workers and runs.
    """

    tasks: int
    from_checkpoint: int
    seconds_counting: float


def mine_with_dask(
    paths: Sequence[str],
    options: TableOptions | None = None,
    *,
    miner: RelationMiner | None = None,
    client: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> RelationMiner:
    """Mine Parquet files with the workers of Dask; needs `pip install "obrl[dask]"`.

    The counts are those of `RelationMiner.fit_table`, bit for bit, and so are the parts of the jackknife; a relation
    with decay or of batches agrees within 1e-12. That does not depend on the number of workers, nor on whether some of
    them die.

    Args:
        paths: Parquet files, folders, patterns and URLs, which the workers must be able to read too.
        options: what columns and values mean.
        miner: whose settings are used, and which is returned; by default one with the default settings.
        client: a `distributed.Client`; None starts a process for each core of this machine, for this call. A script
            must then call this function under `if __name__ == "__main__":`, as everything that starts processes.
        checkpoint: a folder for the results of pieces. A call that was interrupted goes on from there when it is
            repeated; the folder is removed in the end. None for no checkpoint.

    Returns:
        The miner, fitted. It learns no further rows.

    Raises:
        TableError: no Parquet file, or a row that is no row of labels.
        MiningError: no Dask, or workers that do not answer.

    Example:
        >>> import tempfile
        >>> import pyarrow
        >>> from distributed import Client
        >>> from pyarrow import parquet
        >>> folder = tempfile.TemporaryDirectory()
        >>> parquet.write_table(pyarrow.table({"Hat": [1, 0, 1], "Bald": [0, 1, 0]}), f"{folder.name}/labels.parquet")
        >>> with Client(processes=False, dashboard_address="127.0.0.1:0") as client, folder:
        ...     mine_with_dask([folder.name], client=client).counts_.s
        array([[2, 0],
               [0, 1]])
    """
    require_dask()
    chosen = TableOptions() if options is None else options
    result = RelationMiner() if miner is None else miner
    store = None if checkpoint is None else Checkpoint(checkpoint)
    mine_table(open_parquet_tables(paths, chosen), chosen, result, client=client, checkpoint=store)
    if store is not None:
        store.remove()
    return result


def open_parquet_tables(paths: Sequence[str], options: TableOptions) -> LabelTable:
    """Open tables as one, all of which must be Parquet; raises TableError for another format."""
    for file in expand(paths):
        name = options.format or format_of_content(file)
        if name != "parquet":
            raise TableError(
                f"Dask mines row groups of Parquet files, and this is a file of the format {name}",
                file=file,
                remedy="convert it to Parquet, or mine it without --engine dask",
            )
    return open_tables(paths, options)


def mine_table(
    table: LabelTable,
    options: TableOptions,
    miner: RelationMiner,
    *,
    client: Any = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Work:
    """Mine a table from `open_parquet_tables` into a miner; see `mine_with_dask`.

    Args:
        table: of Parquet files.
        options: that it was opened with.
        miner: is fitted.
        client: a `distributed.Client`, or None for processes of this machine.
        checkpoint: for the results of pieces, which the caller removes; or None.
        progress: is told of every piece.

    Raises:
        MiningError: as `mine_with_dask`; the miner is then as it was.
    """
    tables = [part for part in _files_of(table) if isinstance(part, PieceTable)]
    if miner.history is not None:
        raise MiningError(f"history must be None where Dask mines, got {miner.history}")
    settings, batch_size = miner._checked_settings()
    names = check_label_names(miner.label_names or table.label_names, len(table.label_names))
    cuts = cuts_of_table(
        num_labels=len(table.label_names),
        rows=table.rows or 0,
        first_block_rows=next(iter(table.blocks())).rows,
        grouped=table.group_column is not None,
        settings=settings,
        batch_size=batch_size,
    )
    tasks = plan_tasks(tables, options, cuts)
    with tempfile.TemporaryDirectory(prefix="obrl-") as scratch:
        store = Checkpoint(Path(scratch, "pieces")) if checkpoint is None else checkpoint
        store.check()
        run = _Run(tables, tasks, cuts, store, progress)
        remaining = run.tasks_to_do()
        if remaining:
            with _cluster(client, len(remaining), scratch) as connected:
                run.mine(connected, remaining)
        segment = merge_all(len(tasks), run.segment, cuts)
        run.check_values()
        counts = table_counts_of(segment, cuts, grouped=table.group_column is not None, label_names=names)
        relation = relation_of_segment(segment, cuts, names) or relation_of_counts(counts, settings, batch_size)
        miner._take(relation, counts)
    return Work(len(tasks), len(tasks) - len(remaining), run.seconds_counting)


class _Run:
    """One table, its tasks and their results."""

    def __init__(
        self,
        tables: Sequence[PieceTable],
        tasks: Sequence[Task],
        cuts: Cuts,
        store: Checkpoint,
        progress: Progress | None,
    ) -> None:
        self._tables, self._tasks, self._cuts, self._store, self._progress = tables, tasks, cuts, store, progress
        self._occurred: list[list[tuple[bool, ...]]] = [[] for _ in tables]
        self.seconds_counting = 0.0

    def tasks_to_do(self) -> list[Task]:
        """The tasks of which the checkpoint holds no result."""
        return [task for task in self._tasks if self._store.read(task.key) is None]

    def mine(self, client: Any, remaining: Sequence[Task]) -> None:
        """Have workers do tasks, and store their results as they come."""
        rows = sum(task.rows for task in self._tasks)
        done = rows - sum(task.rows for task in remaining)
        for task, result in mine_tasks(client, self._tables, remaining, self._cuts):
            self._store.write(task.key, result)
            done += task.rows
            if self._progress is not None:
                self._progress(task.rows, done / max(1, rows))

    def segment(self, number: int) -> Segment:
        """The result of a task, from the checkpoint; each is to be asked for once."""
        task = self._tasks[number]
        result = self._store.read(task.key)
        if result is None:
            raise MiningError(f"{self._store.folder}: a result in the checkpoint has gone or is damaged; start again")
        for piece, occurred in zip(task.pieces, result.occurred, strict=True):
            self._occurred[piece.table].append(occurred)
        self.seconds_counting += result.seconds_counting
        return result.segment

    def check_values(self) -> None:
        """Raise TableError where -1 is in one piece and 0 in another, as readers of whole tables do."""
        values: dict[int, str] = {}
        for table, occurred in zip(self._tables, self._occurred, strict=True):
            table.gather(occurred)
            check_minus(table, values)


def _files_of(table: LabelTable) -> Sequence[LabelTable]:
    return table.tables if isinstance(table, SeveralTables) else [table]


def _cluster(client: Any, tasks: int, scratch: str) -> AbstractContextManager[Any]:
    """The client, or one of processes on this machine."""
    return local_cluster(tasks, scratch) if client is None else nullcontext(client)
