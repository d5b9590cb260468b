"""`obrl mine` on CelebA's list of attributes: wall time, agreement with NumPy and pandas, and the rate beside peers.

All peers get the same rows in memory, in the form that suits them best, and give all correlations; imports and the
making of that form are not timed. Where a peer is slow it gets fewer rows or labels, which the table says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.mining.stream import timed
from obrl.mining import RelationMiner
from obrl.mining.accumulate import TableCounter
from obrl.mining.blocks import DenseLabels
from obrl.mining.tables import open_tables

TABLE = Path("../shared/labels/celeba/list_attr_celeba.txt")
MOST_SECONDS, MOST_COUNTING_SECONDS = 4.0, 0.1
MOST_DIFFERENCE, MOST_BATCH_DIFFERENCE = 1e-12, 1e-10
BATCH, DECAY = 64, 0.99
RIVER_ROWS, PHIK_LABELS = 2_000, 10

Matrix = NDArray[Any]


@dataclass(frozen=True)
class Command:
    """`obrl mine` in a process of its own.

    Attributes:
        arguments: beside the table and the folder.
        seconds: of wall time, with start-up and the writing of results.
        counting_seconds: of these, counting alone.
        peak_bytes: the largest resident memory.
        difference: the largest from NumPy's or pandas' relation.
        bound: what the difference may be.
    """

    arguments: str
    seconds: float
    counting_seconds: float
    peak_bytes: int
    difference: float
    bound: float


@dataclass(frozen=True)
class Peer:
    """One way to all correlations.

    Attributes:
        name: the package and what was called.
        rows: that it got.
        num_labels: that it got.
        seconds: of processor time, the least of all repetitions; all threads are counted.
        difference: the largest from `numpy.corrcoef`; None where it computes another coefficient.
    """

    name: str
    rows: int
    num_labels: int
    seconds: float
    difference: float | None

    @property
    def rate(self) -> float:
        """Rows per second and core."""
        return self.rows / self.seconds


def read(path: Path) -> NDArray[np.int8]:
    """The codes of a table, (num_labels, rows)."""
    codes = []
    for block in open_tables([str(path)]).blocks():
        if not isinstance(block.labels, DenseLabels) or not block.labels.complete:
            raise ValueError(f"{path}: expected a table of columns without missing labels")
        codes.append(block.labels.codes)
    return np.concatenate(codes, axis=1)


def mine(path: Path, further: list[str], expected: Matrix, bound: float) -> Command:
    """Run the command, and compare its relation with what is expected of unit_pearson."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "mined"
        seconds, _, peak = timed(["mine", str(path), "--out", str(out), "--quiet", *further])
        facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
        relation = RelationMiner.load(out / "relation.npz").relation_
    difference = float(np.abs(relation - expected).max())
    return Command(" ".join(further), seconds, facts["timing"]["seconds_counting"], peak, difference, bound)


def moving_average(rows: Matrix) -> Matrix:
    """What pandas makes of the correlations of consecutive batches."""
    import pandas as pd

    with np.errstate(invalid="ignore", divide="ignore"):
        batches = [np.corrcoef(rows[start : start + BATCH].T).ravel() for start in range(0, len(rows), BATCH)]
    average = pd.DataFrame(np.array(batches)).ewm(alpha=1 - DECAY, ignore_na=True).mean().iloc[-1].to_numpy()
    num_labels = rows.shape[1]
    return np.asarray(average).reshape(num_labels, num_labels)


def commands(path: Path, rows: Matrix, correlations: Matrix) -> list[Command]:
    """The command with its defaults, and with batches and a decay."""
    batches = ["--decay", str(DECAY), "--estimator", "batch", "--batch-size", str(BATCH)]
    return [
        mine(path, [], (1 + correlations) / 2, MOST_DIFFERENCE),
        mine(path, batches, (1 + moving_average(rows)) / 2, MOST_BATCH_DIFFERENCE),
    ]


def ways(rows: NDArray[np.uint8]) -> Iterator[tuple[str, str, int, int, bool, Callable[[], Any]]]:
    """Package, what is called, rows and labels it gets, whether it gives Pearson's coefficient, and the call."""
    total, num_labels = rows.shape
    codes = np.ascontiguousarray(rows.T).view(np.int8)
    yield "obrl", "TableCounter on a reader's codes", total, num_labels, True, lambda: _counted(codes)
    yield "obrl", "RelationMiner.fit on uint8", total, num_labels, True, lambda: RelationMiner().fit(rows).phi_
    columns, wide = np.ascontiguousarray(rows.T), np.ascontiguousarray(rows.T, np.float64)
    yield "numpy", "corrcoef of uint8", total, num_labels, True, lambda: np.corrcoef(columns)
    yield "numpy", "corrcoef of float64", total, num_labels, True, lambda: np.corrcoef(wide)
    if _installed("polars"):
        import polars as pl

        lazy = pl.DataFrame(wide.T)
        yield "polars", "DataFrame.corr", total, num_labels, True, lambda: lazy.corr().to_numpy()
    if _installed("pandas"):
        import pandas as pd

        frame = pd.DataFrame(rows)
        yield "pandas", "DataFrame.corr", total, num_labels, True, lambda: frame.corr().to_numpy()
    if _installed("river") and _installed("pandas"):
        few = pd.DataFrame(rows[:RIVER_ROWS].astype(np.float64), columns=[str(k) for k in range(num_labels)])
        records = few.to_dict("records")
        yield "river", "EmpiricalCovariance.update_many", RIVER_ROWS, num_labels, False, lambda: _river_many(few)
        yield "river", "EmpiricalCovariance.update", RIVER_ROWS, num_labels, False, lambda: _river_rows(records)
    if _installed("phik") and _installed("pandas"):
        import phik

        some = pd.DataFrame(rows[:, :PHIK_LABELS])
        yield (
            "phik",
            "phik_matrix",
            total,
            PHIK_LABELS,
            False,
            lambda: phik.phik_matrix(some, interval_cols=[], njobs=1),
        )


def _counted(codes: NDArray[np.int8]) -> Matrix:
    counter = TableCounter(len(codes))
    counter.add(DenseLabels(codes, complete=True))
    n, s, r, c = (field.astype(np.float64) for field in counter.result().counts)
    return np.asarray((n * s - r * c) / np.sqrt(r * (n - r) * c * (n - c)))


def _river_many(frame: Any) -> Any:
    from river.covariance import EmpiricalCovariance

    covariance = EmpiricalCovariance()
    covariance.update_many(frame)
    return covariance.matrix


def _river_rows(records: list[dict[str, float]]) -> Any:
    from river.covariance import EmpiricalCovariance

    covariance = EmpiricalCovariance()
    for record in records:
        covariance.update(record)
    return covariance.matrix


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        print(f"{package} is not installed and is left out")
        return False
    return True


def peers(rows: NDArray[np.uint8], correlations: Matrix, repeats: int) -> list[Peer]:
    """Time every way, the fastest of `repeats`; those that take more than three seconds run once."""
    results = []
    for package, called, size, num_labels, pearson, call in ways(rows):
        seconds = np.inf
        for _ in range(repeats):
            start = time.process_time()
            value = call()
            seconds = min(seconds, time.process_time() - start)
            if seconds > 3:
                break
        difference = float(np.abs(value - correlations).max()) if pearson else None
        results.append(Peer(f"{package} {version(package)}: {called}", size, num_labels, seconds, difference))
        print(results[-1], f"{results[-1].rate:,.0f} rows/s", flush=True)
    return results


def report(runs: list[Command], results: list[Peer]) -> str:
    """Both as tables of Markdown."""
    lines = [
        f"CelebA's list of attributes, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, NumPy {np.__version__}.",
        "",
        "| `obrl mine` with | seconds with start-up | counting | peak MB | largest difference | may be |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        times = f"{run.seconds:.2f} | {run.counting_seconds:.3f} | {run.peak_bytes / 1e6:.0f}"
        lines.append(f"| {run.arguments or 'defaults'} | {times} | {run.difference:.1e} | {run.bound:.0e} |")
    lines += [
        "",
        "| all correlations by | rows | labels | M rows/s/core | largest difference |",
        "|---|---:|---:|---:|---:|",
    ]
    for peer in sorted(results, key=lambda peer: -peer.rate):
        difference = "another coefficient" if peer.difference is None else f"{peer.difference:.1e}"
        lines.append(f"| {peer.name} | {peer.rows:,} | {peer.num_labels} | {peer.rate / 1e6:.3g} | {difference} |")
    return "\n".join(lines) + "\n"


def reached(runs: list[Command], results: list[Peer]) -> bool:
    """Whether the command is fast and exact enough, and both ways of obrl at least as fast as corrcoef of uint8."""
    first = runs[0]
    fast = first.seconds < MOST_SECONDS and first.counting_seconds < MOST_COUNTING_SECONDS
    exact = all(run.difference <= run.bound for run in runs)
    least = next(peer.rate for peer in results if "corrcoef of uint8" in peer.name)
    return fast and exact and all(peer.rate >= least for peer in results if peer.name.startswith("obrl "))


def main(arguments: list[str]) -> int:
    """Print every figure; exit with 1 where one misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mining celeba", description=__doc__)
    parser.add_argument("--table", type=Path, default=TABLE, help=f"another table (default: {TABLE})")
    parser.add_argument("--repeats", type=int, default=5, help="of every way, of which the fastest counts")
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.md")
    options = parser.parse_args(arguments)
    rows = np.ascontiguousarray(read(options.table).T).view(np.uint8)
    correlations = np.asarray(np.corrcoef(rows.T))
    runs = commands(options.table, rows, correlations)
    results = peers(rows, correlations, options.repeats)
    print(report(runs, results))
    if options.out is not None:
        content = {"commands": [asdict(run) for run in runs], "peers": [asdict(peer) for peer in results]}
        options.out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        options.out.with_suffix(".md").write_text(report(runs, results), encoding="utf-8")
    return int(not reached(runs, results))
