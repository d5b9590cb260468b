"""What a worker does: mine some row groups, and send back what they leave."""

from __future__ import annotations

import copy
import signal
import time
from collections.abc import Sequence

from obrl._version import __version__
from obrl.mining.cluster.checkpoint import TaskResult, to_bytes
from obrl.mining.cluster.pieces import PieceTable, Task
from obrl.mining.cluster.segments import Cuts, SegmentCounter
from obrl.mining.errors import MiningError, TableError

NO_FILE = "there is no such file"


def mine_task(tables: Sequence[PieceTable], task: Task, cuts: Cuts, version: str) -> bytes | str:
    """Mine the rows of a task; this runs in a worker.

    Args:
        tables: one a file.
        task: which row groups.
        cuts: of the whole table.
        version: of obrl where the command runs.

    Returns:
        The result as the content of an .npz, or what is wrong with the table, in one line.
    """
    if version != __version__:
        return f"a worker runs obrl {__version__}, and the command obrl {version}; install the same version on both"
    counter = SegmentCounter(cuts, task.first_row)
    occurred = []
    seconds = 0.0
    try:
        for piece in task.pieces:
            table = copy.copy(tables[piece.table])  # other threads of this worker read others of its row groups
            rows = 0
            for block in table.piece(range(piece.start, piece.stop)):
                start = time.perf_counter()
                groups = None if table.group_column is None else block.columns[table.group_column]
                counter.add(block.labels, groups)
                rows += block.rows
                seconds += time.perf_counter() - start
            if rows != piece.rows:
                raise TableError("the file has changed", file=table.files[0], remedy="start again")
            occurred.append(table.occurred)
    except TableError as error:
        return str(_located(error, f"{error.file}, {piece.words}"))
    except (MiningError, MemoryError) as error:
        return str(error) or "a worker has not enough memory; name fewer labels with --labels"
    return to_bytes(TaskResult(counter.result(), tuple(occurred), seconds), task.key)


def _located(error: TableError, file: str) -> TableError:
    """The same error with the row groups that were read; where a worker lacks the file, with what to do about it."""
    remedy = "workers must find it under the same path or URL" if error.problem == NO_FILE else error.remedy
    return TableError(
        error.problem,
        file=file,
        row=error.row,
        line=error.line,
        column=error.column,
        value=error.value,
        remedy=remedy,
    )


def ignore_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the command; it stops its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
