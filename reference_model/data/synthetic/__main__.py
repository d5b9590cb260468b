"""``python -m reference_model.data.synthetic --root DIR``: write a set of synthetic faces."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reference_model.data.errors import DataError
from reference_model.data.synthetic.writer import write_synthetic_faces


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set that the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.data.synthetic",
        description="Draw faces with CelebA's 40 attributes and write them in CelebA's layout.",
    )
    parser.add_argument("--root", type=Path, required=True, help="folder to write")
    parser.add_argument("--num-train", type=int, default=2400, help="pictures for training (%(default)s)")
    parser.add_argument("--num-valid", type=int, default=300, help="pictures for validation (%(default)s)")
    parser.add_argument("--num-test", type=int, default=600, help="pictures for testing (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything drawn (%(default)s)")
    parser.add_argument("--strength", type=float, default=1.0, help="visibility of attributes, 0 to 1 (%(default)s)")
    parser.add_argument("--label-noise", type=float, default=0.0, help="share of wrong labels, 0 to 0.5 (%(default)s)")
    parser.add_argument(
        "--pictures-per-person", type=int, default=8, help="largest number of pictures of a person (%(default)s)"
    )
    parser.add_argument(
        "--identity-strength", type=float, default=0.4, help="how far people differ, 0 to 1 (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=None, help="processes that draw (one a processor)")
    parser.add_argument("--overwrite", action="store_true", help="replace a set drawn with other parameters")
    options = vars(parser.parse_args(arguments))
    total = options["num_train"] + options["num_valid"] + options["num_test"]
    started = time.perf_counter()
    try:
        root = write_synthetic_faces(options.pop("root"), **options)
    except (DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{total} faces in {root} ({time.perf_counter() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
