"""The command `obrl`: one module for each subcommand, imported when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS: dict[str, str] = {}
"""The subcommands and what each does, in the order of `--help`. The module `obrl.mining.cli.NAME` has
`add_arguments(parser)` and `run(options) -> int`, the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0, or 2 for an error that is told in one line."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    name = arguments[0] if arguments else None
    parser = argparse.ArgumentParser(prog="obrl", description="Relation mining over label tables.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command, summary in COMMANDS.items():
        subparser = commands.add_parser(command, help=summary, description=summary)
        if command == name:
            import_module(f"obrl.mining.cli.{command}").add_arguments(subparser)
    options = parser.parse_args(arguments)
    return int(import_module(f"obrl.mining.cli.{options.command}").run(options))
