"""`obrl mine` on Parquet files of many rows: rows per second of wall time with start-up, and peak memory.

The file repeats one drawn block of rows, so the counts that come out must be a multiple of the block's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.mining.generate import draw_block, write_parquet

BLOCK_ROWS = 2**18
LEAST_RATE = 1.5e6
MOST_MEMORY = 600e6
WIDE = (1_000, 0.02)
"""Labels, and share of ones, of the files that show that time is linear in the rows."""


@dataclass(frozen=True)
class Run:
    """One run of `obrl mine` in a process of its own.

    Attributes:
        rows: of the file.
        num_labels: M.
        dtype: of its columns.
        file_bytes: the size of the file.
        seconds: of wall time, with the start of the interpreter, tests of all pairs and the writing of results.
        mining_seconds: of these, reading and counting.
        processor_seconds: of all threads.
        peak_bytes: the largest resident memory.
        exact: whether the counts are those of the block times its repetitions.
    """

    rows: int
    num_labels: int
    dtype: str
    file_bytes: int
    seconds: float
    mining_seconds: float
    processor_seconds: float
    peak_bytes: int
    exact: bool

    @property
    def rate(self) -> float:
        """Rows per second of wall time."""
        return self.rows / self.seconds


# The process itself says its peak: what the system says of a child counts the memory of whoever started it.
CHILD = """
import resource, sys
from pathlib import Path
from obrl.mining.cli import main
status = main(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(usage.ru_utime + usage.ru_stime, 1024 * int(peak.split()[1]))
sys.exit(status)
"""


def timed(arguments: list[str]) -> tuple[float, float, int]:
    """Wall seconds, processor seconds and peak bytes of `obrl ARGUMENTS`; raises RuntimeError if it fails."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"obrl {' '.join(arguments)} exited with {done.returncode}")
    processor, peak = done.stdout.splitlines()[-1].split()
    return seconds, float(processor), int(peak)


def measure(folder: Path, block: NDArray[np.bool_], repeats: int, dtype: str) -> Run:
    """Write a file into `folder`, mine it, check the counts, and delete it."""
    path, out = folder / "labels.parquet", folder / "mined"
    write_parquet(path, block, repeats, dtype=dtype)
    size = path.stat().st_size
    try:
        seconds, processor, peak = timed(["mine", str(path), "--out", str(out), "--quiet"])
    finally:
        path.unlink()
    flat = block.astype(np.float32)
    with np.load(out / "relation.npz", allow_pickle=False) as mined:
        exact = bool((mined["counts_s"] == np.rint(flat @ flat.T).astype(np.int64) * repeats).all())
        exact &= bool((mined["counts_n"] == block.shape[1] * repeats).all())
    mining = float(json.loads((out / "run.json").read_text())["timing"]["seconds"])
    shutil.rmtree(out)
    return Run(block.shape[1] * repeats, len(block), dtype, size, seconds, mining, processor, peak, exact)


def report(runs: list[Run]) -> str:
    """The runs as a table of Markdown."""
    lines = [
        f"`obrl mine` on drawn Parquet files, {platform.machine()}, {os.cpu_count()} cores. Seconds are wall time with "
        "the start of the interpreter; the counts are compared with those of the block that the file repeats.",
        "",
        "| rows | labels | columns | file MB | seconds | of them mining | processor s | M rows/s | peak MB | counts |",
        "|---:|---:|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for run in runs:
        shape = f"{run.rows:,} | {run.num_labels:,} | {run.dtype} | {run.file_bytes / 1e6:.0f}"
        times = f"{run.seconds:.1f} | {run.mining_seconds:.1f} | {run.processor_seconds:.1f} | {run.rate / 1e6:.3g}"
        counts = "exact" if run.exact else "WRONG"
        lines.append(f"| {shape} | {times} | {run.peak_bytes / 1e6:.0f} | {counts} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Print one line a run; exit with 1 where a count is wrong, or the long file is too slow or takes too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mining stream", description=__doc__)
    parser.add_argument("--rows", type=float, default=50e6, help="of the file with 40 labels, about")
    parser.add_argument("--wide-rows", type=float, default=1e6, help="of the largest file with 1,000 labels, about")
    parser.add_argument("--folder", type=Path, help="where the files are written for a while; else a temporary folder")
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.md")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        block = draw_block(BLOCK_ROWS, 40, share=0.1, rng=rng)
        for dtype in ("int8", "bool"):
            runs.append(measure(Path(folder), block, max(1, round(options.rows / BLOCK_ROWS)), dtype))
            print(runs[-1], f"{runs[-1].rate:,.0f} rows/s", flush=True)
        wide = draw_block(BLOCK_ROWS // 4, WIDE[0], share=WIDE[1], rng=rng)
        for part in (0.25, 0.5, 1.0):
            repeats = max(1, round(options.wide_rows * part / wide.shape[1]))
            runs.append(measure(Path(folder), wide, repeats, "int8"))
            print(runs[-1], f"{runs[-1].rate:,.0f} rows/s", flush=True)
    print(report(runs))
    if options.out is not None:
        options.out.with_suffix(".json").write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
        options.out.with_suffix(".md").write_text(report(runs))
    long = runs[:2]
    bad = any(run.rate < LEAST_RATE or run.peak_bytes > MOST_MEMORY for run in long) or not all(r.exact for r in runs)
    return int(bad)
