"""The command `obrl`: one module for each subcommand, imported when it is called."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from obrl._version import __version__
from obrl.mining.errors import MiningError, MiningWarning

COMMANDS: dict[str, str] = {
    "mine": "mine how the labels of tables relate",
    "pairs": "list the pairs of a mined relation, with how sure each is",
    "thresholds": "say which thresholds a mined relation can supervise with, if any",
    "suspects": "list the entries of a table that contradict the other labels of their row",
    "fill": "give missing entries of a table, or all, a probability",
    "query": "list the missing labels of a table to ask for first, since their answers settle most of a row",
    "compare": "say which pairs of labels relate otherwise in one table than in another",
    "history": "say which pairs drift over the rows of a table, or moved while a model trained",
    "start": "write a mined relation in the form from which a loss starts",
    "report": "write a web page on a mined relation, or on one that a loss has saved",
    "export": "write a mined relation for other programs: ML-GCN, NumPy, spreadsheets, graphs",
    "assess": "say what the relation would gain, from a model's held-out predictions",
    "env": "describe this environment for a bug report: versions, what impl= runs here, compiler, GPU",
}
"""The subcommands and what each does, in the order of `--help`. The module `obrl.mining.cli.NAME` has
`add_arguments(parser)` and `run(options) -> int`, the exit status."""

FAILURE = 2
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + 13
"""What a shell reports of a program whose reader has gone."""
CLEAR_LINE = "\r\033[K"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are told as all errors are."""

    def error(self, message: str) -> NoReturn:
        raise MiningError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        arguments: the words of the command line after `obrl`; None for those of this process.

    Returns:
        The exit status: 0, or what the subcommand says; 2 for an error, which is told in one line on standard error;
        130 after Ctrl-C, and 141 where the reader of the output has gone.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=MiningWarning)
        warnings.showwarning = _WarningsOnce()
        try:
            options = _parse(arguments)
            status = int(import_module(f"obrl.mining.cli.{options.command}").run(options))
            sys.stdout.flush()
            return status
        except KeyboardInterrupt as stop:
            _tell(f"interrupted: {str(stop) or 'nothing was written'}")
            return INTERRUPTED
        except BrokenPipeError:
            _forget_output()
            return BROKEN_PIPE
        except MemoryError as error:
            _tell(f"error: not enough memory{f' ({error})' if str(error) else ''}; name fewer labels with --labels")
        except OSError as error:
            _tell(f"error: {_problem(error)}")
        except ValueError as error:
            _tell(f"error: {error}")
        return FAILURE


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; only the subcommand that is called adds its arguments."""
    name = arguments[0] if arguments else None
    parser = _Parser(prog="obrl", description="Relation mining over label tables, and a report of the environment.")
    parser.add_argument("--version", action="version", version=f"obrl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command, summary in COMMANDS.items():
        subparser = commands.add_parser(command, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if command == name:
            import_module(f"obrl.mining.cli.{command}").add_arguments(subparser)
    return parser.parse_args(arguments)


def _problem(error: OSError) -> str:
    """What the system refused, with the file first."""
    if error.filename is None:
        return str(error.strerror or error)
    return f"{error.filename}: {(error.strerror or str(error)).lower()}"


def _tell(message: str) -> None:
    """Print one line on standard error, whatever line ends and control characters the message holds."""
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message)
    start = CLEAR_LINE if sys.stderr.isatty() else ""
    print(f"{start}obrl: {line}", file=sys.stderr)


class _WarningsOnce:
    """Shows each warning once, wherever in the program it comes from: many files of a table may give the same."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in self._told:
            self._told.add(str(message))
            _tell(f"warning: {message}")


def _forget_output() -> None:
    """Keep the interpreter from flushing to a reader that has gone, which it would report at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # standard output is no file, as in a test
        return
