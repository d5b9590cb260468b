"""`obrl env`: what a bug report should say of the environment."""

from __future__ import annotations

import argparse

from obrl.environment import environment_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `obrl env`."""
    parser.add_argument(
        "--quick", action="store_true", help="import no framework, which takes some seconds each: versions alone"
    )


def run(options: argparse.Namespace) -> int:
    """Print the report."""
    print(environment_report(quick=options.quick))
    return 0
