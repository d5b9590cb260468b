"""Where `obrl mine` does its work: in this process, or in the workers of Dask."""

from __future__ import annotations

import argparse
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from obrl.mining.cli.options import table_options
from obrl.mining.cli.progress import Progress
from obrl.mining.cluster.checkpoint import SUFFIX, Checkpoint
from obrl.mining.cluster.dask_client import require_dask
from obrl.mining.cluster.engine_dask import Work, mine_table, open_parquet_tables
from obrl.mining.errors import MiningError
from obrl.mining.miner import RelationMiner
from obrl.mining.output import beside
from obrl.mining.tables import open_tables
from obrl.mining.tables.options import LabelTable

SECONDS_TO_CONNECT = 10
SECONDS_FOR_WORKERS = 30


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the work is done."""
    group = parser.add_argument_group("where it runs")
    group.add_argument(
        "--engine",
        choices=("local", "dask"),
        default="local",
        help="local: in this process (default); dask: in several, each with some row groups of Parquet files",
    )
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster, as tcp://10.0.0.1:8786 (default: a process for each core of this machine)",
    )


def open_for_engine(options: argparse.Namespace) -> LabelTable:
    """Open the tables that the user named; raises MiningError for what the engine cannot do."""
    if options.engine == "local":
        if options.scheduler is not None:
            raise MiningError("--scheduler names a Dask cluster, which only --engine dask uses; pass both")
        return open_tables(options.tables, table_options(options))
    if options.history is not None:
        raise MiningError("--history is written by --engine local alone; leave one of the two out")
    require_dask()
    return open_parquet_tables(options.tables, table_options(options))


def mine_by_dask(
    options: argparse.Namespace, table: LabelTable, miner: RelationMiner, progress: Progress
) -> tuple[Work, Checkpoint | None]:
    """Mine with Dask.

    Returns:
        What was done, and the checkpoint, to be removed once the results are written; None without `--out`.

    Raises:
        MiningError: no scheduler answers, or it has no workers.
        KeyboardInterrupt: after Ctrl-C, with words on how to go on.
    """
    checkpoint = None if options.out is None else Checkpoint(beside(options.out, SUFFIX))
    try:
        with _silent_logs(), _client(options.scheduler) as client:
            work = mine_table(
                table, table_options(options), miner, client=client, checkpoint=checkpoint, progress=progress.add
            )
    except KeyboardInterrupt:
        if checkpoint is not None and checkpoint.folder.is_dir():
            raise KeyboardInterrupt(f"the same command goes on from {checkpoint.folder}") from None
        raise
    return work, checkpoint


@contextmanager
def _client(address: str | None) -> Iterator[Any]:
    """A client of the scheduler at an address; None without an address."""
    if address is None:
        yield None
        return
    from distributed import Client

    nobody = MiningError(
        f"--scheduler {address}: no scheduler answers; start one with `dask scheduler`, and pass the address that it "
        "prints, such as tcp://10.0.0.1:8786"
    )
    try:
        _check_somebody_listens(address)
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise nobody from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        except TimeoutError:
            raise MiningError(
                f"--scheduler {address}: the scheduler has no workers; start some with `dask worker {address}`"
            ) from None
        yield client


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Dask logs at length what the command says in one line."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)


def _check_somebody_listens(address: str) -> None:
    """Raise OSError or ValueError where nobody does; a client that cannot connect complains again at exit."""
    place = urlsplit(address)
    if place.hostname is None or place.port is None:
        raise ValueError(f"expected an address with a port, got {address}")
    with socket.create_connection((place.hostname, place.port), timeout=SECONDS_TO_CONNECT):
        pass
