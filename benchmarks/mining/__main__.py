"""`python -m benchmarks.mining NAME`: one measurement, by the name of its module, which has `main(arguments)`."""

from __future__ import annotations

import sys
from importlib import import_module

MEASUREMENTS = {
    "celeba": "`obrl mine` on CelebA: seconds, agreement with NumPy and pandas, rates beside peers",
    "stream": "`obrl mine` on drawn Parquet files of many rows: rate, peak memory, exact counts",
}


def main(arguments: list[str]) -> int:
    """Run one measurement, or list them."""
    name = arguments[0] if arguments else "--help"
    if name not in MEASUREMENTS:
        lines = [f"  {known:12} {summary}" for known, summary in MEASUREMENTS.items()]
        print("usage: python -m benchmarks.mining NAME [--help]", *lines, sep="\n")
        return 0 if name in ("-h", "--help") else 2
    return int(import_module(f"benchmarks.mining.{name}").main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
