"""Tables without cells: nothing is trained, and torch is not needed."""

from __future__ import annotations

from reference_model.pipeline.tables.command import TableRequest
from reference_model.pipeline.tables.writing import finish_table
from reference_model.runs import RunError, refuse


def make_direct_table(request: TableRequest) -> int:
    """Make a table that reads no pictures.

    Returns:
        The exit status: 0, or 2 for options or data that cannot be used.
    """
    table = request.table
    try:
        table.cells(request.options)
        if request.dry_run:
            raise RunError(f"{table.name} has no cells to list; leave --dry-run out")
        content = table.rows(request.options, [])
    except (ValueError, OSError) as error:
        return refuse(error)
    finish_table(request.out, table.name, content)
    return 0
