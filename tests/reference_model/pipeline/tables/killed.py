"""A table that is killed: ``python -m tests.reference_model.pipeline.tables.killed CELL STEP ARGUMENTS``.

SIGKILL, sent to this process in the training of the cell of this number (from 1 on), after this many steps.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from reference_model.engine.module import StageModule
from reference_model.tables import main


def arm(cell: int, step: int) -> None:
    """Send the signal in a step of a cell."""
    trained: list[int] = []
    training_step = StageModule.training_step

    def hit(module: StageModule, *arguments: Any) -> Any:
        if id(module) not in trained:
            trained.append(id(module))
        if len(trained) == cell and module.global_step >= step:
            os.kill(os.getpid(), signal.SIGKILL)
        return training_step(module, *arguments)

    StageModule.training_step = hit  # type: ignore[method-assign]


if __name__ == "__main__":
    number, steps, *rest = sys.argv[1:]
    arm(int(number), int(steps))
    sys.exit(main(rest))
