"""Several trainings, one after the other, in processes that torchrun starts once.

torchrun ... -m tests.reference_model.training.several ARGUMENTS.json

The file holds a list of command lines. The first that fails ends the program with its status. The processes are connected
once: a second group would find the addresses of the first in torchrun's store.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from reference_model import training
from reference_model.engine.processes import join, leave
from reference_model.train import main


def run_all(commands: list[list[str]]) -> int:
    """Run the command lines; return the first status that is not 0."""
    join("cpu")
    training.leave = lambda: None
    try:
        return next((status for status in map(main, commands) if status), 0)
    finally:
        leave()


if __name__ == "__main__":
    sys.exit(run_all(json.loads(Path(sys.argv[1]).read_text())))
