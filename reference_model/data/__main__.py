"""``python -m reference_model.data``: check a data set, or write all of them from drawn pictures.

``check NAME ROOT`` says what is missing, wrong or unusable in a data set. ``synthesize --out DIR`` draws people,
objects and places, and writes them in the format of every data set.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from reference_model.data.check import check_data_set
from reference_model.data.errors import DataError
from reference_model.data.registry import MODULES, Finding, load_data_set
from reference_model.data.synthetic.pool_formats import FORMATS
from reference_model.settings.pictures import PoolConfig, SyntheticConfig

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
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _check(options: argparse.Namespace) -> int:
    data_set = load_data_set(options.name)
    print(f"{data_set.title} in {options.root}")
    findings = check_data_set(data_set, options.root, pictures=options.pictures)
    for finding in findings:
        print(f"  {finding.level}: {finding.text}")
    print(f"  terms: {data_set.terms}")
    print(_summary(findings))
    return max((_STATUS[finding.level] for finding in findings), default=0)


def _synthesize(options: argparse.Namespace) -> int:
    from reference_model.data.synthetic.pool import write_pool  # what draws takes a moment to import

    started = time.perf_counter()
    sizes = PoolConfig(**{field.name: getattr(options, field.name) for field in fields(PoolConfig)})
    config = SyntheticConfig(seed=options.seed, strength=options.strength, label_noise=options.label_noise)
    formats = tuple(FORMATS) if options.formats is None else options.formats
    out = write_pool(options.out, config, sizes, formats=formats, workers=options.workers, overwrite=options.overwrite)
    print(f"in {out}: {', '.join(formats)} ({time.perf_counter() - started:.1f} s)")
    return 0


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
    check.set_defaults(run=_check)
    _add_synthesize(
        commands.add_parser(
            "synthesize",
            help="draw pictures and write them in every format",
            description="Draw people, objects and places, and write every data set in a folder of its name.",
        )
    )
    return parser


def _add_synthesize(command: argparse.ArgumentParser) -> None:
    """Declare the options of ``synthesize``."""
    command.set_defaults(run=_synthesize)
    command.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder to write; a cut drawing goes on"
    )
    command.add_argument("--formats", metavar="NAME", nargs="+", choices=FORMATS, help=f"of {', '.join(FORMATS)} (all)")
    command.add_argument("--seed", type=int, default=0, help="seed of everything drawn (%(default)s)")
    command.add_argument("--strength", type=float, default=1.0, help="visibility of attributes, 0 to 1 (%(default)s)")
    command.add_argument("--label-noise", type=float, default=0.0, help="share of wrong labels, to 0.5 (%(default)s)")
    for field in fields(PoolConfig):
        words = field.name.replace("_", " ")
        command.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            help=f"{words}, as the setting pool.{field.name} (%(default)s)",
        )
    command.add_argument("--workers", type=int, default=None, help="processes that draw (one a processor)")
    command.add_argument("--overwrite", action="store_true", help="replace a pool drawn with other options")


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
