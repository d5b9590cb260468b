"""`obrl export R --to FORMAT`: a mined relation for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from obrl.mining.cli.options import add_relation_argument, load_relation, relation_file
from obrl.mining.errors import MiningError
from obrl.mining.export import FORMATS, write_export
from obrl.mining.output import file_of_results

SUFFIXES = {"ml-gcn": "_adj.pkl", "npz": "_matrix.npz", "csv": "_matrix.csv", "graphml": ".graphml"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl export`."""
    add_relation_argument(parser)
    parser.add_argument(
        "--to",
        choices=FORMATS,
        required=True,
        help="ml-gcn: the pickle that ML-GCN reads; npz: plain arrays; csv: the phi coefficients; graphml: a graph",
    )
    parser.add_argument("--out", metavar="FILE", help="the file to write (default: beside the relation)")


def run(options: argparse.Namespace) -> int:
    """Write the file."""
    source = relation_file(options)
    out = source.with_name(source.stem + SUFFIXES[options.to]) if options.out is None else Path(options.out)
    if out.exists() and out.samefile(source):
        raise MiningError(f"{out}: this is the mined relation itself; name another file with --out")
    miner = load_relation(options)
    with file_of_results(out) as part:
        write_export(part, options.to, miner.table_counts_, miner.phi_)
    print(f"wrote {out}")
    return 0
