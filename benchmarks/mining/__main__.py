"""`python -m benchmarks.mining NAME`: one measurement, by the name of its module, which has `main(arguments)`."""

from __future__ import annotations

import sys

from benchmarks.measurements import run_measurement

MEASUREMENTS = {
    "celeba": "`obrl mine` on CelebA: seconds, agreement with NumPy and pandas, rates beside peers",
    "cluster": "`obrl mine --engine dask`: beside one process, with a worker killed, and with the command killed",
    "stream": "`obrl mine` on drawn Parquet files of many rows: rate, peak memory, exact counts",
}


def main(arguments: list[str]) -> int:
    """Run one measurement, or list them."""
    return run_measurement("benchmarks.mining", MEASUREMENTS, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
