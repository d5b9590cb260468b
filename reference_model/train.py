"""``python -m reference_model.train``: train, resume, compare.

The settings are parsed and checked here, before torch and Lightning are imported: help and mistakes show at once.
"""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import sys
from collections.abc import Sequence

from reference_model.cli import parse_command
from reference_model.pipeline.command import is_pipeline, parse_pipeline
from reference_model.pipeline.plan import check_pipeline_folder
from reference_model.runs import CTRL_C_EXIT, RunError, check_run_folder, refuse
from reference_model.settings.plain import SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments after the program's name; by default those of this process.

    Returns:
        The exit status: 0, 2 for settings or data that cannot be used, 130 or 143 after Ctrl-C or SIGTERM.
    """
    try:
        words = sys.argv[1:] if arguments is None else arguments
        return _train_all(words) if is_pipeline(words) else _train_stage(words)
    except (SettingsError, RunError) as error:
        return refuse(error)
    except KeyboardInterrupt:
        print("\nStopped before the training began.", file=sys.stderr)
        return CTRL_C_EXIT


def _train_stage(arguments: Sequence[str]) -> int:
    request = parse_command(arguments)
    if request.resume is None and request.config.out is not None:
        check_run_folder(request.config.out, overwrite=request.overwrite)
    from reference_model.training import run_request  # imports torch and Lightning

    return run_request(request)


def _train_all(arguments: Sequence[str]) -> int:
    request = parse_pipeline(arguments)
    if request.config.out is not None and not request.resume:
        check_pipeline_folder(request.config.out, overwrite=request.overwrite)
    from reference_model.pipeline.trainer import run_pipeline  # imports torch and Lightning

    return run_pipeline(request)


if __name__ == "__main__":
    sys.exit(main())
