"""What ``python -m reference_model.tables`` does once its options are known: list, train, write."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

from collections.abc import Sequence
from dataclasses import replace

from reference_model.engine.finite import NotFiniteError
from reference_model.engine.processes import count_processes
from reference_model.engine.stopping import run_to_end
from reference_model.pipeline.running import Grid, Planned
from reference_model.pipeline.tables.command import TableRequest
from reference_model.pipeline.tables.finished import finished_content, name_of
from reference_model.pipeline.tables.forecast import forecast
from reference_model.pipeline.tables.record import record_of, write_record
from reference_model.pipeline.tables.stored import DifferenceStore
from reference_model.pipeline.tables.writing import finish_table
from reference_model.runs import RunError, refuse

GO_ON = "the same command; finished cells stay finished"


def make_table(request: TableRequest) -> int:
    """Do what a command line asks for.

    Returns:
        The exit status: 0; 2 for settings or data that cannot be used and for cells that diverged; 130 or 143 after
        Ctrl-C or SIGTERM.
    """
    grid = Grid(request.out, request.cells)
    table = request.table
    try:
        if count_processes() > 1:
            raise RunError("tables train their cells in one process; start it without torchrun")
        request = replace(request, options=table.with_pictures(request.options))
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
    return run_to_end(lambda: _fill(request, grid, planned), go_on=GO_ON)


def _fill(request: TableRequest, grid: Grid, planned: Sequence[Planned]) -> None:
    """Train the cells and write the table.

    Raises:
        NotFiniteError: If cells diverged; the table is written before where it can be without them.
    """
    table = request.table
    results, diverged = grid.run(planned)
    complete = not any(table.needs(cell) for cell, _ in diverged)
    if complete:
        store = DifferenceStore()
        content = finished_content(table, request.options, results, [cell for cell, _ in diverged], store)
        finished = {result.key for result in results}
        record = record_of(request, [part.key for part in planned], finished, store.used())
        finish_table(request.out, table.name, content, [write_record(request.out, record)])
    if diverged:
        total = len({part.key for part in planned})
        first = f"{len(diverged)} of {total} cells diverged, as they will again with the same settings:"
        last = "is written without them" if complete else "cannot be written without them, until their settings change"
        lines = [f"  {name_of(cell)}: {error}" for cell, error in diverged]
        raise NotFiniteError("\n".join([first, *lines, f"{table.name} {last}"]))


def list_cells(planned: Sequence[Planned]) -> str:
    """Return a line for every cell: its key, whether it is done, and what it is."""
    lines = [f"{part.key}  {'done' if part.content is not None else 'open'}  {name_of(part.cell)}" for part in planned]
    done = sum(part.content is not None for part in planned)
    return "\n".join([*lines, f"{len(planned)} cells, {done} of them done"])
