"""Do the paper's nine groups matter? The attribute net with other branches: one, one a label, and random groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Literal

from reference_model.pipeline.cells import Cell, CellResult, net_names
from reference_model.pipeline.tables.figures_of_runs import (
    COMPARISON_COLUMNS,
    FIGURE_COLUMNS,
    FIGURE_NOTE,
    NO_COMPARISON,
    compare,
    figure_values,
    group_results,
    nets_in_words,
    notes_on,
    treatment,
)
from reference_model.pipeline.tables.table import ALL_NETS, Column, Part, Table, TableContent, TableOptions, Value

ARRANGEMENTS: Mapping[Literal["paper", "one", "each", "random"], str] = {
    "paper": "the data's groups (the paper's nine)",
    "one": "one branch",
    "each": "a branch for every attribute",
    "random": "random groups of the same sizes",
}


def groups_cells(options: TableOptions) -> list[Cell]:
    """Return a cell for every seed, data set and arrangement, all with the joint loss."""
    (fusion,) = options.fusions
    cells = []
    for seed in options.seeds:
        for data in options.bases:
            for arrangement in ARRANGEMENTS:
                config = options.config(data, fusion, seed=seed, loss="obrl")
                columns = {"data": data, "groups": arrangement, "nets": net_names(fusion), "seed": f"seed {seed}"}
                cells.append(Cell(columns, replace(config, net=replace(config.net, groups=arrangement))))
    return cells


def groups_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return parameters, milliseconds a step and accuracy of each arrangement, and its difference to the paper's."""
    by_groups = group_results(results, lambda result: (result.cell.columns["data"], result.cell.columns["groups"]))
    rows: list[list[Value]] = []
    compared = []
    for (data, arrangement), cells in by_groups.items():
        row: list[Value] = [data, next(text for name, text in ARRANGEMENTS.items() if name == arrangement)]
        row += [int(cells[0].content["parameters"]), fmean(float(cell.content["ms_per_step"]) for cell in cells)]
        row += figure_values(cells)
        if arrangement == "paper":
            rows.append([*row, *NO_COMPARISON])
            continue
        compared.append(compare(cells, by_groups[data, "paper"]))
        rows.append([*row, *compared[-1].values()])
    columns = (Column("data"), Column("branches"), Column("parameters"), Column("ms a step", 1))
    first = results[0]
    notes = (
        f"Nets: {net_names(options.fusions[0])}, {treatment(first)}, from {nets_in_words(first)}; joint loss. Every "
        f"branch has {first.cell.config.net.group_channels} channels and {first.cell.config.net.group_hidden} hidden "
        "units, so more branches mean more parameters. Random groups are drawn anew for every seed.",
        "Milliseconds are measured in the runs: the median over the batches on a CPU, so they depend on the machine "
        "and on what else it does.",
        " ".join(("Differences are to the data's groups.", *notes_on(compared))),
    )
    part = Part("", "Branches of the attribute net", (*columns, *FIGURE_COLUMNS, *COMPARISON_COLUMNS), rows, notes)
    return TableContent("Groups of attributes", [part], (), (FIGURE_NOTE,))


TABLE = Table(
    name="groups",
    title="nine groups of attributes, one, a branch for every attribute, and random groups",
    cells=groups_cells,
    rows=groups_rows,
    fusions=(ALL_NETS,),
    sets=("net.groups",),
)
