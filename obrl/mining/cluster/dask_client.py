"""Handing tasks to the workers of Dask, and what to do when these die, fall silent or fail."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from obrl._version import __version__
from obrl.mining.cluster.pieces import PieceTable, Task
from obrl.mining.cluster.segments import Cuts
from obrl.mining.cluster.worker import ignore_interrupts, mine_task
from obrl.mining.errors import MiningError

RETRIES = 2
"""How often Dask repeats a task that fails, for example because a store did not answer for a moment."""
SECONDS_WITHOUT_WORKERS = 60.0
"""How long a cluster may have no workers before the run stops; it may still be starting them."""
SECONDS_BETWEEN_LOOKS = 0.02
SECONDS_BETWEEN_COUNTS = 2.0
SECONDS_TO_SEND = 30.0
GOES_ON = "with --out it goes on from where it was"


def require_dask() -> None:
    """Raise MiningError where Dask is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise MiningError("mining with Dask needs it: pip install 'obrl[dask]'") from None


@contextmanager
def local_cluster(tasks: int, scratch: str) -> Iterator[Any]:
    """A client of processes on this machine, as many as cores, which listen on the loopback interface alone.

    They talk in TLS with a certificate of this run, which nobody else has: whoever talks to Dask has it run programs.

    Args:
        tasks: there are no more processes than tasks.
        scratch: a folder for what Dask writes.

    Raises:
        MiningError: cryptography, which makes the certificate, is not installed.
    """
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster, Security

    try:
        security = Security.temporary()
    except ImportError:
        raise MiningError("mining with Dask on this machine needs cryptography: pip install 'obrl[dask]'") from None
    with (
        LocalCluster(
            security=security,
            n_workers=min(CPU_COUNT, tasks),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # without an address it listens on all
            worker_dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            local_directory=scratch,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.run(ignore_interrupts)
        yield client


def mine_tasks(
    client: Any, tables: Sequence[PieceTable], tasks: Sequence[Task], cuts: Cuts
) -> Iterator[tuple[Task, bytes]]:
    """Have workers mine tasks; tasks of a worker that dies are handed to another.

    Args:
        client: a `distributed.Client`.
        tables: one a file.
        tasks: what to mine.
        cuts: of the whole table.

    Yields:
        Each task with its result, as they come.

    Raises:
        MiningError: what a worker says is wrong with the table, or workers that fail.
    """
    from distributed import as_completed

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")  # a file of many groups, once
        handed_on = client.submit(_hand_on, tables, pure=False)
    futures = {
        client.submit(mine_task, handed_on, task, cuts, __version__, pure=False, retries=RETRIES): task
        for task in tasks
    }
    completed = as_completed(list(futures), loop=client.loop)
    watch = _Watch(client)
    try:
        while futures:
            batch = completed.next_batch(block=False)
            for future in batch:
                result = _result(future, tables, futures[future])
                if result is None:
                    completed.add(future)
                else:
                    yield futures.pop(future), result
            if not batch:
                watch.look()
    finally:
        client.cancel(list(futures))


class _Watch:
    """Waits a moment, and counts the workers now and then.

    Args:
        client: of Dask.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._counted = self._seen = time.monotonic()

    def look(self) -> None:
        """Wait; raises MiningError where there have been no workers for long, or the scheduler is gone."""
        time.sleep(SECONDS_BETWEEN_LOOKS)
        now = time.monotonic()
        if now - self._counted < SECONDS_BETWEEN_COUNTS:
            return
        self._counted = now
        try:
            workers = self._client.nthreads()
        except (OSError, TimeoutError) as error:
            raise _lost(error) from error
        if workers:
            self._seen = now
        elif now - self._seen > SECONDS_WITHOUT_WORKERS:
            raise MiningError(f"all workers of Dask have gone; start some, and then the same command: {GOES_ON}")


def _result(future: Any, tables: Sequence[PieceTable], task: Task) -> bytes | None:
    """What a worker sent; None where the worker died meanwhile, and another has to do the task again."""
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    place = f"{tables[task.pieces[0].table].files[0]}, {task.pieces[0].words}"
    try:
        result = future.result(timeout=SECONDS_TO_SEND)
    except (CommClosedError, concurrent.futures.CancelledError, asyncio.CancelledError) as error:
        raise _lost(error) from error
    except KilledWorker as error:
        raise MiningError(
            f"{place}: several workers died while they mined it; they may lack memory: give them more, or write the "
            "table in smaller row groups"
        ) from error
    except Exception as error:
        if isinstance(error, TimeoutError) and future.status != "error":
            return None
        reason = " ".join(str(error).split())[:200]
        raise MiningError(f"{place}: a worker failed: {type(error).__name__}: {reason}; start again") from error
    if isinstance(result, str):
        raise MiningError(result)
    return bytes(result)


def _lost(error: BaseException) -> MiningError:
    return MiningError(
        f"the connection to Dask's scheduler is lost ({type(error).__name__}); start it, and then the same command: "
        f"{GOES_ON}"
    )


def _hand_on(tables: Sequence[PieceTable]) -> Sequence[PieceTable]:
    """The tables: a task whose result workers pass on among themselves, and that is done again where it is lost."""
    return tables
