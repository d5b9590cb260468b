"""The table ``relations``: the joint loss with other settings of its relation, beside cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

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
    share_in_gradient,
    treatment,
)
from reference_model.pipeline.tables.relation_variants import (
    DEFAULT_VARIANTS,
    VARIANTS,
    describe_variants,
    parse_variants,
    with_variant,
)
from reference_model.pipeline.tables.statistics import mean_and_spread
from reference_model.pipeline.tables.table import ALL_NETS, Column, Part, Table, TableContent, TableOptions, Value

BASELINE = "cross-entropy"
COLUMNS = (
    *(Column("data"), Column("relation"), Column("r_p / r_n"), Column("alpha")),
    *FIGURE_COLUMNS,
    *(Column("share in gradient", 3), Column("active pairs", 1), Column("mining, s"), Column("epoch, s")),
    *COMPARISON_COLUMNS,
)
_UNUSED = (float("nan"),) * 4


def relations_cells(options: TableOptions) -> list[Cell]:
    """Return a cell for every seed, data set and relation, and one with cross-entropy alone.

    Raises:
        SettingsError: If a relation is unknown.
    """
    chosen = chosen_variants(options)
    return [
        relation_cell(options, data, name, seed)
        for seed in options.seeds
        for data in options.bases
        for name in (BASELINE, *chosen)
    ]


def chosen_variants(options: TableOptions) -> tuple[str, ...]:
    """Return the names of the relations, as the options have them.

    Raises:
        SettingsError: If one is unknown.
    """
    text = options.words.get("relations")
    return DEFAULT_VARIANTS if text is None else parse_variants(text, option="relations")


def relation_cell(options: TableOptions, data: str, name: str, seed: int) -> Cell:
    """Return the cell of a relation, or of cross-entropy."""
    (fusion,) = options.fusions
    columns = {"data": data, "relation": name, "nets": net_names(fusion), "seed": f"seed {seed}"}
    if name == BASELINE:
        return Cell(columns, options.config(data, fusion, seed=seed, loss="ce"))
    config = options.config(data, fusion, seed=seed, loss="obrl")
    return Cell(columns, replace(config, relation=with_variant(config.relation, name)))


def relations_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return each relation's figures, its part in the gradient, its cost, and its difference to cross-entropy."""
    by_cell = group_results(results, lambda result: (result.cell.columns["data"], result.cell.columns["relation"]))
    rows: list[list[Value]] = []
    compared = []
    for (data, name), cells in by_cell.items():
        settings = cells[0].cell.config.relation
        if name == BASELINE:
            rows.append([data, name, "", "", *figure_values(cells), *_UNUSED, *NO_COMPARISON])
            continue
        compared.append(compare(cells, by_cell[data, BASELINE]))
        thresholds = f"{settings.positive_threshold:g} / {settings.negative_threshold:g}"
        row: list[Value] = [data, name, thresholds, f"{settings.alpha:g}", *figure_values(cells)]
        pairs = fmean(len(cell.report["relation"].get("active_pairs", ())) for cell in cells)
        seconds = [_mean(cells, "mining_seconds"), _mean(cells, "epoch_seconds")]
        rows.append([*row, 100 * share_in_gradient(cells), pairs, *seconds, *compared[-1].values()])
    return TableContent(
        "The relation's settings",
        [
            Part(
                "",
                "Accuracy",
                COLUMNS,
                rows,
                (" ".join(("Differences are to cross-entropy.", *notes_on(compared))), _cost_note()),
            )
        ],
        (),
        (FIGURE_NOTE, describe_variants(chosen_variants(options)), *_nets(options, results)),
    )


def _mean(cells: Sequence[CellResult], figure: str) -> float:
    return mean_and_spread([cell.figure("relation", figure) for cell in cells])[0]


def _cost_note() -> str:
    return (
        "*Mining* is the time that measuring the relation of all training labels took, once a run, beside that of an "
        "*epoch* with its validation; a relation that moves with the batches has neither. Both depend on the machine. "
        "*Share in gradient* is in per cent, the mean over the run."
    )


def _nets(options: TableOptions, results: Sequence[CellResult]) -> list[str]:
    sentences = []
    for data in options.bases:
        first = next(result for result in results if result.cell.columns["data"] == data)
        nets = net_names(options.fusions[0])
        sentences.append(f"Nets on {data}: {nets}, {treatment(first)}, from: {nets_in_words(first)}.")
    return sentences


TABLE = Table(
    name="relations",
    title="the joint loss with other settings of its relation, beside cross-entropy",
    cells=relations_cells,
    rows=relations_rows,
    fusions=(ALL_NETS,),
    options={
        "relations": (
            f"which: {', '.join(VARIANTS)}, several together (global+strong) and with an alpha (strong@4) "
            f"(default: {','.join(DEFAULT_VARIANTS)})"
        )
    },
)
