"""``python -m reference_model.data check NAME ROOT``: what is missing, wrong or unusable in a data set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reference_model.data.check import check_data_set
from reference_model.data.registry import MODULES, Finding, load_data_set

_SAMPLE = 500
_STATUS = {"note": 0, "warning": 1, "error": 2}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments after the program's name; by default those of this process.

    Returns:
        The exit status: 0 if nothing is wrong, 1 for differences that training survives, 2 for data or arguments that
        cannot be used.
    """
    options = _parser().parse_args(arguments)
    data_set = load_data_set(options.name)
    print(f"{data_set.title} in {options.root}")
    findings = check_data_set(data_set, options.root, pictures=options.pictures)
    for finding in findings:
        print(f"  {finding.level}: {finding.text}")
    print(f"  terms: {data_set.terms}")
    print(_summary(findings))
    return max((_STATUS[finding.level] for finding in findings), default=0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.data",
        description="Data sets of the reference model. Nothing is downloaded.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="say what is missing, wrong or unusable in a data set",
        description="Read a data set's lists, decode pictures, and say what is missing, wrong or unusable. Exit status:"
        " 0 nothing is wrong, 1 training is possible, 2 it is not.",
    )
    check.add_argument("name", metavar="NAME", choices=MODULES, help=f"the format: {', '.join(MODULES)}")
    check.add_argument("root", metavar="ROOT", type=Path, help="the folder that holds it, or its one file")
    check.add_argument(
        "--pictures",
        metavar="N",
        type=_count,
        default=_SAMPLE,
        help="how many pictures, evenly spaced, are decoded, or all (%(default)s)",
    )
    return parser


def _count(text: str) -> int | None:
    if text == "all":
        return None
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"expected a number of pictures from 1, or all, got {text!r}")
    return count


def _summary(findings: list[Finding]) -> str:
    errors, differences = (sum(finding.level == level for finding in findings) for level in ("error", "warning"))
    if errors:
        return f"cannot be trained on: {errors} error{'s' * (errors > 1)}"
    if differences:
        return f"can be trained on, with {differences} warning{'s' * (differences > 1)}"
    return "nothing is wrong"


if __name__ == "__main__":
    sys.exit(main())
