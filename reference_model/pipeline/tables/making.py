"""What ``python -m reference_model.tables`` does once its options are known: list, train, write."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import sys
from collections.abc import Sequence

import torch

from reference_model.data.errors import DataError
from reference_model.engine.checkpoints import TrainingInterrupted
from reference_model.engine.finite import in_words
from reference_model.engine.processes import count_processes
from reference_model.pipeline.running import Grid, Planned
from reference_model.pipeline.tables.command import TableRequest
from reference_model.pipeline.tables.forecast import forecast
from reference_model.pipeline.tables.writing import finish_table
from reference_model.runs import SIGNAL_EXIT, RunError, refuse

GO_ON = "The same command goes on; finished cells stay finished."


def make_table(request: TableRequest) -> int:
    """Do what a command line asks for.

    Returns:
        The exit status: 0, 2 for settings or data that cannot be used, 130 or 143 after Ctrl-C or SIGTERM.
    """
    grid = Grid(request.out, request.cells)
    table = request.table
    try:
        if count_processes() > 1:
            raise RunError("tables train their cells in one process; start it without torchrun")
        cells = table.cells(request.options)
        if not cells:
            raise RunError(f"{table.name} has no cells with these options")
        planned = grid.plan(cells)
        grid.check(planned)
        if request.dry_run:
            print(list_cells(planned))
            print(forecast(planned))
            return 0
    except (TypeError, ValueError, OSError) as error:
        return refuse(error)
    try:
        results = grid.run(planned)
        content = table.rows(request.options, results)
    except TrainingInterrupted as interruption:
        print(f"\nInterrupted. {GO_ON}", file=sys.stderr)
        return SIGNAL_EXIT + interruption.signal_number
    except (RunError, DataError, OSError, MemoryError, torch.OutOfMemoryError) as error:
        return refuse(RunError(f"{in_words(error)}. {GO_ON}"))
    finish_table(request.out, table.name, content)
    return 0


def list_cells(planned: Sequence[Planned]) -> str:
    """Return a line for every cell: its key, whether it is done, and what it is."""
    lines = [
        f"{part.key}  {'done' if part.content is not None else 'open'}  {', '.join(part.cell.columns.values())}"
        for part in planned
    ]
    done = sum(part.content is not None for part in planned)
    return "\n".join([*lines, f"{len(planned)} cells, {done} of them done"])
