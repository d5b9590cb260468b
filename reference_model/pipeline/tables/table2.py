"""Table II: which nets are fused, with cross-entropy alone and with the joint loss."""

from __future__ import annotations

from collections.abc import Sequence

from reference_model.pipeline import published
from reference_model.pipeline.cells import Cell, CellResult, net_names
from reference_model.pipeline.tables.figures_of_runs import (
    DIFFERENCE_COLUMNS,
    FIGURE_COLUMNS,
    FIGURE_NOTE,
    Comparison,
    accuracy_line,
    difference,
    difference_values,
    differences_part,
    figure_values,
    group_results,
    nets_in_words,
    treatment,
)
from reference_model.pipeline.tables.losses import RELATIONS_OPTION, loss_title, losses_of, relation_notes
from reference_model.pipeline.tables.table import (
    Column,
    FigureContent,
    Line,
    Panel,
    Part,
    Table,
    TableContent,
    TableOptions,
    Value,
)

Results = dict[tuple[str, str, str], list[CellResult]]
"""The results by data set, fusion and loss, each in the order of the seeds."""

MARK = "yes"


def table2_cells(options: TableOptions) -> list[Cell]:
    """Return a cell for every data set, fusion, loss and seed."""
    return [
        attribute_cell(options, data, fusion, loss, seed)
        for seed in options.seeds  # a whole table of the first seed comes first
        for data in options.bases
        for fusion in options.fusions
        for loss in losses_of(options)
    ]


def attribute_cell(options: TableOptions, data: str, fusion: Sequence[str], loss: str, seed: int) -> Cell:
    """Return the cell of some nets with a loss."""
    columns = {"data": data, "fusion": net_names(fusion), "loss": loss, "seed": f"seed {seed}"}
    return Cell(columns, options.config(data, fusion, seed=seed, loss=loss))


def table2_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return the table, the loss's differences, and every Net_k beside Net_0 attribute by attribute."""
    by_cell: Results = group_results(results, _place)
    losses, notes = losses_of(options), [FIGURE_NOTE]
    if any(result.origins and set(result.origins.values()) == {"random"} for result in results):
        notes.append("Nets that start at random differ in name only: net_0 to net_3 are then the same net.")
    notes += relation_notes(losses)
    parts = [_accuracies(by_cell), _gains(options, by_cell)]
    parts += [part for data in options.bases if (part := _net_by_attribute(data, losses, by_cell)) is not None]
    parts.append(_paper())
    return TableContent("Table II: fusion and loss", parts, [_figure(options, by_cell)], tuple(notes))


def _place(result: CellResult) -> tuple[str, str, str]:
    columns = result.cell.columns
    return columns["data"], columns["fusion"], columns["loss"]


def _accuracies(by_cell: Results) -> Part:
    columns = (Column("data"), Column("fusion"), Column("loss"), Column("nets"), Column("nets from"))
    rows: list[list[Value]] = []
    for (data, fusion, loss), results in by_cell.items():
        row: list[Value] = [data, fusion, loss_title(loss), treatment(results[0]), nets_in_words(results[0])]
        rows.append([*row, *figure_values(results), published.accuracy(fusion, data, loss)])
    return Part("", "Accuracy", (*columns, *FIGURE_COLUMNS, Column("paper's accuracy")), rows)


def _gains(options: TableOptions, by_cell: Results) -> Part:
    """Return what the joint loss changes at equal fusion, and each fusion beside Net_0 at equal loss."""
    comparisons = []
    losses = losses_of(options)
    for data in options.bases:
        names = list(dict.fromkeys(fusion for place, fusion, _ in by_cell if place == data))
        pairs = [((fusion, loss), (fusion, "ce")) for loss in losses[1:] for fusion in names]
        others = [fusion for fusion in names if published.GENERIC in names and fusion != published.GENERIC]
        pairs += [((fusion, loss), (published.GENERIC, loss)) for loss in losses for fusion in others]
        for first, second in pairs:
            paper = published.accuracy(first[0], data, first[1]) - published.accuracy(second[0], data, second[1])
            results = by_cell[(data, *first)], by_cell[(data, *second)]
            comparisons.append(Comparison([data, _name(first), _name(second)], *results, [paper]))
    columns = (Column("data"), Column("of"), Column("over"))
    title = "Differences in mean accuracy and mean average precision"
    return differences_part("differences", title, columns, comparisons, [Column("paper's accuracy difference")])


def _net_by_attribute(data: str, losses: Sequence[str], by_cell: Results) -> Part | None:
    """Return the difference of each net to Net_0 for every attribute; None without such nets."""
    rows: list[list[Value]] = []
    method = ""
    for loss in losses:
        generic = by_cell.get((data, published.GENERIC, loss))
        for net, named in published.HELPED.items() if generic else ():
            results = by_cell.get((data, net, loss))
            if results is None or generic is None:
                continue
            change = difference(results, generic, by_attribute=True)
            method = change.method()
            for attribute, interval in change.attributes.items():
                mark = MARK if attribute in named else ""
                rows.append([net, loss_title(loss), attribute, mark, *difference_values(interval)])
    if not rows:
        return None
    count, one_seed = len(rows), min(len(results) for results in by_cell.values()) == 1
    notes = (
        method,
        "*Named* are the attributes that the paper says the net helps: identity (net_1), age (net_2), race (net_3). Of "
        f"{count} intervals of 95 %, some {max(1, round(count / 20))} lie on one side of zero where nothing differs"
        f"{', and more by what one seed differs from another' if one_seed else ''}.",
    )
    columns = (Column("net"), Column("loss"), Column("attribute"), Column("named"), *DIFFERENCE_COLUMNS)
    return Part(f"attributes-{data}", f"Each net beside net_0, attribute by attribute ({data})", columns, rows, notes)


def _paper() -> Part:
    """Return what the paper's own numbers say against its text."""
    rows: list[list[Value]] = [
        [statement.text, statement.numbers, "yes" if statement.holds else "no"]
        for statement in published.text_against_numbers()
    ]
    columns = (Column("the paper's sentence"), Column("its own numbers"), Column("borne out"))
    return Part("paper", "What the paper's numbers say against its text", columns, rows)


def _figure(options: TableOptions, by_cell: Results) -> FigureContent:
    panels = []
    for data in options.bases:
        names = list(dict.fromkeys(fusion for place, fusion, _ in by_cell if place == data))
        places = list(range(len(names)))
        lines = [
            accuracy_line(loss_title(loss), places, (by_cell[data, fusion, loss] for fusion in names))
            for loss in losses_of(options)
        ]
        if data in published.DATA:
            lines += [
                Line(f"paper, {loss_title(loss)}", places, [published.accuracy(fusion, data, loss) for fusion in names])
                for loss in published.LOSSES
            ]
        panels.append(Panel(data, "", "accuracy, per cent", lines, ticks=names))
    return FigureContent("", panels, "Accuracy of each fusion. Error bars are the standard deviation over the seeds.")


def _name(fusion_and_loss: tuple[str, str]) -> str:
    fusion, loss = fusion_and_loss
    return f"{fusion}, {loss_title(loss)}"


TABLE = Table(
    name="table2",
    title="the paper's Table II: every fusion of nets, with cross-entropy and with the joint loss",
    cells=table2_cells,
    rows=table2_rows,
    options=RELATIONS_OPTION,
)
