"""`obrl start R`: a mined relation in the form from which a loss starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from obrl.mining.cli.options import add_relation_argument, load_relation, relation_file
from obrl.mining.errors import MiningError
from obrl.mining.output import file_of_results
from obrl.settings import ESTIMATORS, Settings

START = "start.npz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl start`."""
    default = Settings()
    add_relation_argument(parser)
    parser.add_argument(
        "--decay", type=float, default=default.decay, help="of the loss, in (0, 1) (default: %(default)s)"
    )
    parser.add_argument(
        "--estimator",
        choices=ESTIMATORS,
        default=default.estimator,
        help="of the loss; counts needs a relation that was mined with it (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="FILE", help=f"the .npz to write (default: {START} beside the relation)")


def run(options: argparse.Namespace) -> int:
    """Write the start, and say how a loss takes it."""
    source = relation_file(options)
    out = source.with_name(START) if options.out is None else Path(options.out)
    if out.exists() and out.samefile(source):
        raise MiningError(f"{out}: this is the mined relation itself; name another file with --out")
    miner = load_relation(options)
    start = miner.as_start(decay=options.decay, estimator=options.estimator)
    with file_of_results(out) as part:
        start.save(part)
    settings = start.settings.changed()
    words = [str(start.num_labels), f"relation={str(out)!r}", *(f"{name}={settings[name]!r}" for name in settings)]
    try:
        words += [f"{name}={value!r}" for name, value in miner.suggest_thresholds().items()]
    except ValueError as none:  # no counts, another measure, or too weak a relation: the thresholds are the user's
        print(f"no thresholds suggested: {none}")
    print(f"wrote {out}; in any framework:\nOBRLoss({', '.join(words)})")
    return 0
