"""`python -m benchmarks.evidence NAME`: one measurement, by the name of its module, which has `main(arguments)`."""

from __future__ import annotations

import sys
from importlib import import_module

MEASUREMENTS = {
    "intervals": "how often the 95 % intervals of phi hold the truth",
    "nulls": "pairs called related in tables whose columns were permuted",
    "suspects": "how well planted errors are ranked",
    "fill": "log-loss of hidden entries, beside a regression for each label",
    "condition": "what a relation adds to a trained net, beside a net that takes known labels",
}


def main(arguments: list[str]) -> int:
    """Run one measurement, or list them."""
    name = arguments[0] if arguments else "--help"
    if name not in MEASUREMENTS:
        lines = [f"  {known:12} {summary}" for known, summary in MEASUREMENTS.items()]
        print("usage: python -m benchmarks.evidence NAME [--help]", *lines, sep="\n")
        return 0 if name in ("-h", "--help") else 2
    return int(import_module(f"benchmarks.evidence.{name}").main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
