"""What stops a training, as a line for the user and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from reference_model.data.errors import DataError
from reference_model.engine.checkpoints import TrainingInterrupted
from reference_model.engine.finite import NotFiniteError, in_words
from reference_model.engine.processes import this_rank
from reference_model.runs import CTRL_C_EXIT, SIGNAL_EXIT, RunError, refuse


def run_to_end(work: Callable[[], object], *, go_on: str) -> int:
    """Do some training, and say what stopped it and how to go on.

    Args:
        work: The training.
        go_on: The command that goes on with it.

    Returns:
        The exit status: 0; 2 for data, a disk or a memory that cannot be used; 130 or 143 after Ctrl-C or SIGTERM.
    """
    try:
        work()
    except TrainingInterrupted as interruption:
        if this_rank() == 0:
            saved = f"; the checkpoint of step {interruption.step} is saved"
            where = " before the first checkpoint" if interruption.step is None else saved
            print(f"\nInterrupted{where}. Go on with:\n  {go_on}", file=sys.stderr)
        return SIGNAL_EXIT + interruption.signal_number
    except KeyboardInterrupt:
        print(f"\nStopped. Go on with:\n  {go_on}", file=sys.stderr)
        return CTRL_C_EXIT
    except NotFiniteError as error:
        return refuse(error)
    # A picture that cannot be read shows only when it is read.
    except (RunError, DataError, OSError, MemoryError, torch.OutOfMemoryError) as error:
        return refuse(RunError(f"{in_words(error)}. After that, go on with: {go_on}"))
    return 0
