"""What a table says of its finished cells, also where they differ in their device or some diverged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from reference_model.pipeline.cells import Cell, CellResult
from reference_model.pipeline.tables.stored import DifferenceStore
from reference_model.pipeline.tables.table import Table, TableContent, TableOptions


def finished_content(
    table: Table, options: TableOptions, results: Sequence[CellResult], diverged: Sequence[Cell], store: DifferenceStore
) -> TableContent:
    """Return what a table says, with notes on what its cells do not have in common.

    Args:
        table: The table.
        options: Its options.
        results: The results, in the order of the cells, without those that diverged.
        diverged: The cells that diverged.
        store: Where the rows look up differences.
    """
    content = table.rows(options, [replace(result, differences=store) for result in results])
    return replace(content, notes=(*content.notes, *_notes_on_devices(results), *_notes_on_diverged(diverged)))


def _notes_on_devices(results: Sequence[CellResult]) -> tuple[str, ...]:
    """Return a sentence where cells were trained on different devices, nothing where not."""
    devices = {result.key: str(result.content["environment"]["device"]) for result in results}
    counts = Counter(devices.values())
    if len(counts) < 2:
        return ()
    listed = ", ".join(f"{count} on {device}" for device, count in sorted(counts.items()))
    return (
        f"The cells were trained on different devices ({listed}), which draw different dropout masks: differences "
        "between such cells are not those of their settings alone.",
    )


def _notes_on_diverged(cells: Sequence[Cell]) -> tuple[str, ...]:
    if not cells:
        return ()
    listed = "; ".join(name_of(cell) for cell in cells)
    return (f"Training diverged in {listed}. Rows of which not every run is finished are left out.",)


def name_of(cell: Cell) -> str:
    """Return what distinguishes a cell in its table, in words."""
    return ", ".join(cell.columns.values())
