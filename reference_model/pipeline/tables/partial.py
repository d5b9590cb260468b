"""How far the joint loss helps where only a part of the training labels is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reference_model.pipeline.cells import Cell, CellResult, net_names
from reference_model.pipeline.published import LOSSES
from reference_model.pipeline.tables.figures_of_runs import (
    FIGURE_COLUMNS,
    FIGURE_NOTE,
    Comparison,
    accuracy_line,
    differences_part,
    figure_values,
    group_results,
    nets_in_words,
    treatment,
)
from reference_model.pipeline.tables.losses import RELATIONS_OPTION, loss_title, losses_of, relation_notes
from reference_model.pipeline.tables.table import (
    ALL_NETS,
    Column,
    FigureContent,
    Panel,
    Part,
    Table,
    TableContent,
    TableOptions,
    Value,
)
from reference_model.settings.plain import SettingsError

SHARES = (100.0, 50.0, 25.0, 10.0)
"""Per cent of the training labels that are known."""

Results = dict[tuple[str, float, str], list[CellResult]]
"""The results by data set, share in per cent and loss, each in the order of the seeds."""


def partial_cells(options: TableOptions) -> list[Cell]:
    """Return a cell for every seed, data set, share and loss."""
    return [
        _cell(options, data, share, loss, seed)
        for seed in options.seeds
        for data in options.bases
        for share in parse_shares(options)
        for loss in losses_of(options)
    ]


def _cell(options: TableOptions, data: str, share: float, loss: str, seed: int) -> Cell:
    (fusion,) = options.fusions
    columns = {"data": data, "labels": f"{share:g} % of the labels", "loss": loss, "seed": f"seed {seed}"}
    config = options.config(data, fusion, seed=seed, loss=loss)
    return Cell(columns, replace(config, read=replace(config.read, label_share=share / 100)))


def parse_shares(options: TableOptions) -> tuple[float, ...]:
    """Return the shares in per cent.

    Raises:
        SettingsError: If the option holds something else than falling numbers in (0, 100].
    """
    text = options.words.get("shares")
    if text is None:
        return SHARES
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or list(shares) != sorted(set(shares), reverse=True) or not 0 < shares[-1] <= shares[0] <= 100:
        raise SettingsError(f"--shares must be falling numbers in (0, 100], such as 100,10; got {text!r}")
    return shares


def partial_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return the figures at each share, what the joint loss changes there, and what the missing labels cost."""
    by_cell: Results = group_results(results, _place)
    first = results[0]
    note = (
        "The labels that are known are chosen at random by the seed; those of a smaller share are among those of a "
        "larger one, and validation and test labels are whole. Every run has all pictures and as many steps. "
        f"Nets: {net_names(options.fusions[0])}, {treatment(first)} ({nets_in_words(first)})."
    )
    losses = losses_of(options)
    parts = [_figures(by_cell), _gains(losses, by_cell), _costs(by_cell)]
    notes = (FIGURE_NOTE, note, *relation_notes(losses))
    return TableContent("Training with a part of the labels", parts, [_figure(options, by_cell)], notes)


def _place(result: CellResult) -> tuple[str, float, str]:
    columns = result.cell.columns
    return columns["data"], 100 * result.cell.config.read.label_share, columns["loss"]


def _number(share: float) -> Value:
    return int(share) if share == int(share) else share


def _figures(by_cell: Results) -> Part:
    rows: list[list[Value]] = [
        [data, _number(share), loss_title(loss), *figure_values(results)]
        for (data, share, loss), results in by_cell.items()
    ]
    columns = (Column("data"), Column("labels, %"), Column("loss"))
    return Part("", "Accuracy", (*columns, *FIGURE_COLUMNS), rows)


def _gains(losses: Sequence[str], by_cell: Results) -> Part:
    """Return what each joint loss changes; a column names the loss where there are several."""
    several = losses != LOSSES
    comparisons = []
    for (data, share, loss), results in by_cell.items():
        if loss != "ce":
            names = [loss_title(loss)] if several else []
            comparisons.append(Comparison([data, _number(share), *names], results, by_cell[data, share, "ce"]))
    columns = (Column("data"), Column("labels, %"), *([Column("loss")] if several else []))
    return differences_part(
        "differences", "The joint loss over cross-entropy, at the same labels", columns, comparisons
    )


def _costs(by_cell: Results) -> Part:
    comparisons = []
    for (data, share, loss), results in by_cell.items():
        most = max(other for place, other, _ in by_cell if place == data)
        if share < most:
            before = [data, loss_title(loss), _number(share), _number(most)]
            comparisons.append(Comparison(before, results, by_cell[data, most, loss]))
    columns = (Column("data"), Column("loss"), Column("labels, %"), Column("over, %"))
    return differences_part("costs", "What missing labels cost", columns, comparisons)


def _figure(options: TableOptions, by_cell: Results) -> FigureContent:
    panels = []
    for data in options.bases:
        shares = list(dict.fromkeys(share for place, share, _ in by_cell if place == data))
        lines = [
            accuracy_line(loss_title(loss), shares, (by_cell[data, share, loss] for share in shares))
            for loss in losses_of(options)
        ]
        panels.append(Panel(data, "known training labels, per cent", "accuracy, per cent", lines))
    caption = "Accuracy against the share of known labels. Error bars are the standard deviation over the seeds."
    return FigureContent("", panels, caption)


TABLE = Table(
    name="partial",
    title="training with a part of the labels, the others missing: cross-entropy beside the joint loss",
    cells=partial_cells,
    rows=partial_rows,
    fusions=(ALL_NETS,),
    options={
        "shares": f"per cent of the training labels (default: {','.join(f'{share:g}' for share in SHARES)})",
        **RELATIONS_OPTION,
    },
    sets=("read.label_share",),
)
