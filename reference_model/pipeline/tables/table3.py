"""Table III: other methods' published accuracies beside those of this program."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reference_model.pipeline import published
from reference_model.pipeline.cells import Cell, CellResult, net_names
from reference_model.pipeline.published import LOSS_TITLES
from reference_model.pipeline.tables.figures_of_runs import (
    FIGURE_COLUMNS,
    FIGURE_NOTE,
    accuracy_of,
    figure_values,
    group_results,
    nets_in_words,
    treatment,
)
from reference_model.pipeline.tables.statistics import mean_and_spread
from reference_model.pipeline.tables.table import (
    ALL_NETS,
    Column,
    Part,
    Table,
    TableContent,
    TableOptions,
    Value,
)
from reference_model.pipeline.tables.table2 import attribute_cell

Results = dict[tuple[str, str], list[CellResult]]


def table3_cells(options: TableOptions) -> list[Cell]:
    """Return the cells of all nets with both losses, which table2 has too."""
    (fusion,) = options.fusions
    return [
        attribute_cell(options, data, fusion, loss, seed)
        for seed in options.seeds
        for data in options.bases
        for loss in published.LOSSES
    ]


def table3_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return the published numbers beside this program's, and what the latter saw."""
    by_cell: Results = group_results(results, lambda result: (result.cell.columns["data"], result.cell.columns["loss"]))
    rows: list[list[Value]] = [
        [name, "published", *(row.get(data, math.nan) for data in _data(options)), *_blank(options)]
        for name, row in published.TABLE_3.items()
    ]
    rows += [_measured(options, by_cell, loss) for loss in reversed(published.LOSSES)]
    majority = {
        data: mean_and_spread([100 * result.figure("mean_majority_accuracy") for result in by_cell[data, "ce"]])[0]
        for data in options.bases
    }
    rows.append(
        ["majority class", "measured", *(majority.get(data, math.nan) for data in _data(options)), *_blank(options)]
    )
    columns = (
        Column("method"),
        Column("numbers"),
        *(Column(published.TITLES.get(data, data)) for data in _data(options)),
        *(Column(f"± on {data}") for data in options.bases),
    )
    notes = tuple(_seen(data, by_cell) for data in options.bases)
    parts = [Part("", "Accuracy", columns, rows, notes), _figures(by_cell)]
    return TableContent("Table III: other methods", parts, (), (FIGURE_NOTE, _compare()))


def _data(options: TableOptions) -> list[str]:
    """Return the columns: the paper's two data sets and what else was measured."""
    return [*published.DATA, *(data for data in options.bases if data not in published.DATA)]


def _blank(options: TableOptions) -> list[Value]:
    return [math.nan] * len(options.bases)


def _measured(options: TableOptions, by_cell: Results, loss: str) -> list[Value]:
    measured = {data: accuracy_of(by_cell[data, loss]) for data in options.bases}
    means: list[Value] = [measured[data][0] if data in measured else math.nan for data in _data(options)]
    return [f"this program, {LOSS_TITLES[loss]}", "measured", *means, *(spread for _, spread in measured.values())]


def _seen(data: str, by_cell: Results) -> str:
    result = by_cell[data, "obrl"][0]
    pictures = result.content["data"]["pictures"]
    return (
        f"{data}: this program's nets are {net_names(result.cell.config.net.nets)}, {treatment(result)}, from "
        f"{nets_in_words(result)}; the attributes were trained on {pictures['train']} pictures and tested on "
        f"{pictures['test']}, at {result.cell.config.images.size} pixels, preset {result.cell.config.preset}."
    )


def _compare() -> str:
    return (
        "Published numbers are from the paper's Table III. They were measured on all of CelebA or LFWA and with nets "
        "that had seen other data beforehand; compare them with this program's only where it has seen as much."
    )


def _figures(by_cell: Results) -> Part:
    rows: list[list[Value]] = [
        [data, LOSS_TITLES[loss], *figure_values(results)] for (data, loss), results in by_cell.items()
    ]
    return Part("figures", "More figures of this program", (Column("data"), Column("loss"), *FIGURE_COLUMNS), rows)


TABLE = Table(
    name="table3",
    title="the paper's Table III: other methods' published numbers beside this program's",
    cells=table3_cells,
    rows=table3_rows,
    fusions=(ALL_NETS,),
)
