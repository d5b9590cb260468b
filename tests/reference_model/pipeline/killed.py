"""A pipeline that is killed: ``python -m tests.reference_model.pipeline.killed RUN WHERE ARGUMENTS``.

SIGKILL, sent to this process: WHERE is ``inside`` the training of the run, after its first checkpoint, or ``after``
its report, before its weights are passed on.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from reference_model.engine.module import StageModule
from reference_model.pipeline import plan
from reference_model.pipeline.config import Step
from reference_model.train import main

STEP = 2


def arm(run: str, where: str) -> None:
    """Send the signal in the named run of the pipeline."""
    training = [""]
    train, publish, training_step = plan._train, plan._publish, StageModule.training_step

    def note(of: plan.Plan, step: Step, *arguments: Any, **options: Any) -> Any:
        training[0] = step.name
        return train(of, step, *arguments, **options)

    def hit_step(module: StageModule, *arguments: Any) -> Any:
        result = training_step(module, *arguments)
        if where == "inside" and training[0] == run and module.global_step >= STEP:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def hit_end(of: plan.Plan, step: Step) -> None:
        if where == "after" and step.name == run:
            os.kill(os.getpid(), signal.SIGKILL)
        publish(of, step)

    plan._train, plan._publish = note, hit_end
    StageModule.training_step = hit_step  # type: ignore[method-assign]


if __name__ == "__main__":
    name, place, *rest = sys.argv[1:]
    arm(name, place)
    sys.exit(main(rest))
