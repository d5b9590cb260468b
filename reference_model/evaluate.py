"""``python -m reference_model.evaluate``: the report of a model that was trained earlier, on any partition."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reference_model.data.catalogue import SPLITS
from reference_model.runs import RunError, find_run, refuse
from reference_model.settings.plain import SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, or 2 for a run or data that cannot be used.
    """
    options = _parser().parse_args(arguments)
    try:
        find_run(options.checkpoint)
        from reference_model.evaluating import describe_evaluation, evaluate  # imports torch and Lightning

        report, folder = evaluate(
            options.checkpoint, data=options.data, root=options.root, split=options.split, out=options.out
        )
    except (RunError, SettingsError, ValueError, OSError) as error:
        return refuse(error)
    print(describe_evaluation(report))
    print(f"Everything is in {folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.evaluate",
        description="Report on a net that was trained earlier.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="RUN", help="a run's folder, or a checkpoint inside it"
    )
    parser.add_argument("--data", help="the data set (default: the run's)")
    parser.add_argument("--root", type=Path, help="folder of the data (default: the run's)")
    parser.add_argument("--split", choices=SPLITS, help="partition (default: those that the stage reports on)")
    parser.add_argument("--out", type=Path, help="folder of the report (default: inside the run's folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
