"""A training that a signal hits: ``python -m tests.reference_model.training.killed SIGNAL WHERE STEP ARGUMENTS``.

The signal is the real one, sent to this process in the middle of the training or validation step that follows
step STEP.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from reference_model.engine.module import StageModule
from reference_model.train import main


def arm(name: str, hook: str, step: int) -> None:
    """Send the signal once, in the first call of ``hook`` after ``step`` steps."""
    original = getattr(StageModule, hook)
    sent = []

    def hit(module: StageModule, *arguments: Any) -> Any:
        result = original(module, *arguments)
        if module.global_step >= step and not sent:
            sent.append(step)
            os.kill(os.getpid(), getattr(signal, name))
        return result

    setattr(StageModule, hook, hit)


if __name__ == "__main__":
    signal_name, place, after_step, *rest = sys.argv[1:]
    arm(signal_name, place, int(after_step))
    sys.exit(main(rest))
