"""`python -m benchmarks.evidence NAME`: one measurement, by the name of its module, which has `main(arguments)`."""

from __future__ import annotations

import sys

from benchmarks.measurements import run_measurement

MEASUREMENTS = {
    "intervals": "how often the 95 % intervals of phi hold the truth",
    "nulls": "pairs called related in tables whose columns were permuted",
    "suspects": "how well planted errors are ranked",
    "fill": "log-loss of hidden entries, beside a regression for each label",
    "compare": "pairs called changed between random parts of a table, and where labels were turned round",
    "decisions": "how many pairs each reading of the paper's correlation selects, and other figures of the definition",
    "condition": "what a relation adds to a trained net, beside a net that takes known labels",
    "relation_on_faces": "what a relation adds to nets trained on faces, several seeds of them",
    "loss": "whether the joint loss predicts better than cross-entropy on label tables",
    "recipes": "a weight prior for few rows, and smoothed targets for noisy labels",
    "face_tables": "the tables and figures of the reference model on faces, made again from their finished cells",
}


def main(arguments: list[str]) -> int:
    """Run one measurement, or list them."""
    return run_measurement("benchmarks.evidence", MEASUREMENTS, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
