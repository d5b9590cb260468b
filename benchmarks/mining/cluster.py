"""`obrl mine --engine dask` on drawn Parquet files: beside one process, and where a worker or the command is killed.

The files repeat one drawn block of rows, so the counts that come out must be a multiple of the block's; the relation is
compared with that of one process. A scheduler and two workers are started with `dask`, all on the loopback interface.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.mining.generate import draw_block, write_parquet
from benchmarks.mining.stream import BLOCK_ROWS
from obrl.mining import RelationMiner

FILES = 5
NUM_LABELS = 40
MOST_DIFFERENCE = 1e-12
SETTINGS = {
    "counts": [],
    "decay .9999, batches of 100": ["--decay", ".9999", "--estimator", "batch", "--batch-size", "100"],
}
"""Batches of 100 fit no row group, and this decay still weighs all of a segment's batches."""
OBRL = [sys.executable, "-c", "import sys; from obrl.mining.cli import main; sys.exit(main(sys.argv[1:]))"]
DASK = [sys.executable, "-m", "dask"]
LOOPBACK = ["--host", "127.0.0.1", "--no-dashboard"]
LONGEST = 1_800.0
"""Seconds that anything may take; a benchmark that hangs says so."""


@dataclass(frozen=True)
class Run:
    """One way to mine the same rows.

    Attributes:
        name: what was done.
        settings: of the relation.
        seconds: of wall time of the command that ended well, with its start and the writing of results.
        tasks: pieces of the table; 0 in one process.
        from_checkpoint: of these, the ones that a killed command had left.
        exact: whether the counts are those of the block times its repetitions.
        difference: the largest of the relation from that of one process.
    """

    name: str
    settings: str
    seconds: float
    tasks: int
    from_checkpoint: int
    exact: bool
    difference: float


def write_files(folder: Path, block: NDArray[np.bool_], repeats: int) -> None:
    """Write the block `repeats` times, over several files."""
    folder.mkdir()
    for number, times in enumerate(np.array_split(np.arange(repeats), FILES)):
        write_parquet(folder / f"part-{number}.parquet", block, len(times))


@contextmanager
def started(command: list[str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed, where it still runs, when the block ends, whatever ends it.

    Args:
        command: to start.
        log: a file for all that it prints; None lets errors through and nothing else.
    """
    with (
        nullcontext() if log is None else log.open("ab") as file,
        subprocess.Popen(command, stdout=file or subprocess.DEVNULL, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process that nobody replaces when it dies; yields its address and them."""
    place, log = folder / "scheduler.json", folder / "dask.log"
    place.unlink(missing_ok=True)
    with ExitStack() as stack:
        scheduler = [*DASK, "scheduler", *LOOPBACK, "--port", "0", "--scheduler-file", str(place)]
        wait_until(place.exists, stack.enter_context(started(scheduler, log)), f"the scheduler wrote {place}")
        address = str(json.loads(place.read_text())["address"])
        alone = ["--no-nanny", "--nthreads", "1", "--local-directory", str(folder)]
        worker = [*DASK, "worker", address, *LOOPBACK, *alone]
        yield address, [stack.enter_context(started(worker, log)) for _ in range(2)]


def wait_until(done: Callable[[], bool], process: subprocess.Popen[bytes], what: str, seconds: float = LONGEST) -> None:
    """Wait for what a process does.

    Args:
        done: whether it is done.
        process: that does it.
        what: it is, in words.
        seconds: to wait at most.

    Raises:
        RuntimeError: the process has ended before, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if process.poll() is not None:
            raise RuntimeError(f"the process ended with status {process.returncode} before {what}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{seconds:.0f} seconds were over before {what}")
        time.sleep(0.005)


def results_in(out: Path) -> int:
    """How many results the checkpoint beside a folder of results holds."""
    folder = out.with_name(f"{out.name}.checkpoint")
    return len([*folder.glob("*.npz")]) if folder.is_dir() else 0


def kill_when(command: subprocess.Popen[bytes], out: Path, results: int, victim: subprocess.Popen[bytes]) -> None:
    """Kill a process once so many results are there; raises RuntimeError where the command was faster."""
    wait_until(lambda: results_in(out) >= results, command, f"the command left {results} results; give more --rows")
    victim.kill()


def finish(command: subprocess.Popen[bytes]) -> None:
    """Wait for a command that must end well; raises RuntimeError or TimeoutExpired where it does not."""
    if command.wait(LONGEST):
        raise RuntimeError(f"obrl exited with {command.returncode}")


class Bench:
    """The runs of one setting over one folder of tables.

    Args:
        folder: to write into.
        table: the folder of Parquet files.
        name: of the settings.
        expected: of the table, the counts s.
    """

    def __init__(self, folder: Path, table: Path, name: str, expected: NDArray[np.int64]) -> None:
        self._folder, self._table, self._name, self._expected = folder, table, name, expected
        self._runs = self._tasks = 0
        self._relation: NDArray[np.float64] | None = None

    def _started(self, out: Path, further: list[str]) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return started([*OBRL, "mine", str(self._table), "--quiet", "--out", str(out), *SETTINGS[self._name], *further])

    def _out(self) -> Path:
        self._runs += 1
        return self._folder / f"{self._name}-{self._runs}"

    def _checked(self, name: str, out: Path, seconds: float) -> Run:
        """The run that left these results."""
        miner = RelationMiner.load(out / "relation.npz")
        exact = np.array_equal(miner.counts_.s, self._expected)
        if self._relation is None:
            self._relation = miner.relation_
        difference = float(np.abs(miner.relation_ - self._relation).max())
        engine = json.loads((out / "run.json").read_text())["engine"]
        self._tasks, earlier = engine.get("tasks", 0), engine.get("tasks_from_checkpoint", 0)
        run = Run(name, self._name, seconds, self._tasks, earlier, exact, difference)
        print(run, flush=True)
        return run

    def alone(self, name: str, further: list[str]) -> Run:
        """A command that nobody disturbs."""
        start, out = time.perf_counter(), self._out()
        with self._started(out, further) as command:
            finish(command)
        return self._checked(name, out, time.perf_counter() - start)

    def one_worker_killed(self) -> Run:
        """Two workers, of which one is killed after a tenth of the work."""
        out = self._out()
        with cluster(self._folder) as (address, workers):
            start = time.perf_counter()
            with self._started(out, ["--engine", "dask", "--scheduler", address]) as command:
                kill_when(command, out, 1 + self._tasks // 10, workers[0])
                finish(command)
            return self._checked("cluster of two workers, one killed", out, time.perf_counter() - start)

    def command_killed(self) -> Run:
        """The whole command is killed after a third of the work, and started again."""
        out = self._out()
        with self._started(out, ["--engine", "dask"]) as command:
            kill_when(command, out, 1 + self._tasks // 3, command)
        left = results_in(out)
        start = time.perf_counter()
        with self._started(out, ["--engine", "dask"]) as command:
            finish(command)
        run = self._checked("command killed, started again", out, time.perf_counter() - start)
        if run.from_checkpoint != left:
            raise RuntimeError(f"{left} results were left, and {run.from_checkpoint} were used")
        return run


def report(runs: list[Run], rows: int) -> str:
    """The runs as a table of Markdown."""
    lines = [
        f"`obrl mine --engine dask`, {rows:,} rows of {NUM_LABELS} labels in {FILES} Parquet files, "
        f"{platform.machine()}, {os.cpu_count()} cores. Seconds are wall time of the whole command.",
        "",
        "| run | relation | seconds | tasks | from the checkpoint | counts | largest difference of the relation |",
        "|---|---|---:|---:|---:|---|---:|",
    ]
    for run in runs:
        counts = "exact" if run.exact else "WRONG"
        shape = f"{run.name} | {run.settings} | {run.seconds:.1f} | {run.tasks or ''}"
        lines.append(f"| {shape} | {run.from_checkpoint or ''} | {counts} | {run.difference:.1e} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Print one line a run; exit with 1 where a count is wrong, or a relation differs by more than 1e-12."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mining cluster", description=__doc__)
    parser.add_argument("--rows", type=float, default=20e6, help="at least")
    parser.add_argument("--folder", type=Path, help="where the files are written for a while; else a temporary folder")
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.md")
    options = parser.parse_args(arguments)
    repeats = max(4 * FILES, -int(-options.rows // BLOCK_ROWS))
    block = draw_block(BLOCK_ROWS, NUM_LABELS, share=0.1, rng=np.random.default_rng(0))
    flat = block.astype(np.float32)
    expected = np.rint(flat @ flat.T).astype(np.int64) * repeats
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table = Path(folder, "labels")
        write_files(table, block, repeats)
        for name in SETTINGS:
            bench = Bench(Path(folder), table, name, expected)
            runs += [
                bench.alone("one process", []),
                bench.alone("two processes of this machine", ["--engine", "dask"]),
                bench.one_worker_killed(),
                bench.command_killed(),
            ]
    print(report(runs, repeats * BLOCK_ROWS))
    if options.out is not None:
        options.out.with_suffix(".json").write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
        options.out.with_suffix(".md").write_text(report(runs, repeats * BLOCK_ROWS))
    return int(not all(run.exact and run.difference <= MOST_DIFFERENCE for run in runs))
