"""Does a frozen relation suffer where the data changes? Train on one set, tune on another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from reference_model.config import RelationConfig, RunConfig, WeightsConfig
from reference_model.pipeline.cells import Cell, CellResult, net_names
from reference_model.pipeline.tables.figures_of_runs import (
    FIGURE_COLUMNS,
    FIGURE_NOTE,
    Comparison,
    differences_part,
    figure_values,
    group_results,
    nets_in_words,
    share_in_gradient,
    treatment,
)
from reference_model.pipeline.tables.relation_variants import VARIANTS
from reference_model.pipeline.tables.table import (
    ALL_NETS,
    Column,
    Part,
    Table,
    TableContent,
    TableOptions,
    Value,
)
from reference_model.settings.plain import SettingsError

SET_BY_TABLE = ("alpha", "positive_threshold", "negative_threshold", "normalization")
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "paper": {name: getattr(RelationConfig(), name) for name in SET_BY_TABLE},
    "strong": VARIANTS["strong"].changes,
}
"""Settings of the joint loss, by name: the paper's, and those under which it has leverage."""

FIRST = "first"
PRODUCT = Path("relation.npz")
"""Stands for the file of a cell's relation until the cell is trained."""
WAYS: Mapping[str, Mapping[str, Any]] = {
    "ce": {},
    "online": {"source": "online"},
    "recomputed": {"source": "global"},
    "frozen": {"source": "file", "file": PRODUCT},
}
"""How a net is tuned on the second set: with cross-entropy alone, or with a relation that is new and moves with the
batches, measured anew on all training labels of the second set, or left as it was after the first set."""

Results = dict[tuple[str, str], list[CellResult]]
"""The results by setting and way, each in the order of the seeds."""


def shift_cells(options: TableOptions) -> list[Cell]:
    """Return, for every seed and setting, the cell of the first set and the cells that go on from it on the second."""
    first, second = _two_sets(options)
    cells = []
    for seed in options.seeds:
        for setting in SETTINGS:
            start = _cell(options, first, setting, FIRST, seed)
            cells.append(start)
            cells += [_tuned(_cell(options, second, setting, way, seed), start) for way in WAYS]
    return cells


def _two_sets(options: TableOptions) -> tuple[str, str]:
    names = []
    for word in ("from", "to"):
        name = options.words.get(word)
        if name is None:
            raise SettingsError(f"shift needs two data sets: --from celeba --to lfwa; --{word} is missing")
        if name not in options.bases:
            raise SettingsError(f"--{word} {name} needs the folder of that data set: --roots.{name} DIR")
        names.append(name)
    first, second = names
    if first == second:
        raise SettingsError(f"--from and --to are both {first}; name two data sets")
    unused = [name for name in options.bases if name not in names]
    if unused:
        raise SettingsError(f"--roots.{unused[0]} is neither --from nor --to; leave it out")
    _check_same_net(options.bases[first], options.bases[second])
    return first, second


def _check_same_net(first: RunConfig, second: RunConfig) -> None:
    if (first.net, first.images.size) != (second.net, second.images.size):
        raise SettingsError(
            f"{first.data} has the settings of the preset {first.preset} and {second.data} those of {second.preset}, "
            "whose nets differ; give both one with --preset"
        )


def _cell(options: TableOptions, data: str, setting: str, way: str, seed: int) -> Cell:
    (fusion,) = options.fusions
    config = options.config(data, fusion, seed=seed, loss="ce" if way == "ce" else "obrl")
    relation = replace(config.relation, **SETTINGS[setting], **WAYS.get(way, {}))
    columns = {"data": data, "setting": setting, "way": way, "seed": f"seed {seed}"}
    return Cell(columns, replace(config, relation=relation))


def _tuned(cell: Cell, start: Cell) -> Cell:
    """Return a cell that goes on from the whole net of another, and from its relation where that is frozen."""
    sources = {"weights.model": start}
    if cell.config.relation.source == "file":
        sources["relation.file"] = start
    return Cell(cell.columns, replace(cell.config, weights=WeightsConfig()), sources)


def shift_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return the accuracies on both sets, the differences between the ways, and what a global relation costs."""
    first, second = options.words["from"], options.words["to"]
    by_cell: Results = group_results(
        results, lambda result: (result.cell.columns["setting"], result.cell.columns["way"])
    )
    titles = way_titles(first, second)
    start = by_cell["paper", FIRST][0]
    listed = "; ".join(f"*{name}*: {_in_words(setting)}" for name, setting in SETTINGS.items())
    notes = (
        FIGURE_NOTE,
        f"A net is trained on {first} with the joint loss, and tuned on {second} from there in four ways that differ "
        f"in the loss alone. Settings: {listed}.",
        f"Nets on {first}: {net_names(options.fusions[0])}, {treatment(start)} ({nets_in_words(start)}).",
    )
    parts = [_figures(by_cell, titles), _differences(by_cell, titles), _costs(by_cell)]
    return TableContent(f"From {first} to {second}: frozen, recomputed or online relation", parts, (), notes)


def way_titles(first: str, second: str) -> dict[str, str]:
    """Return the name of each way, as the table shows it."""
    return {
        FIRST: f"(trained on {first})",
        "ce": "cross-entropy",
        "online": f"online on {second}",
        "recomputed": f"recomputed on {second}, frozen",
        "frozen": f"frozen from {first}",
    }


def _in_words(setting: Mapping[str, Any]) -> str:
    return (
        f"alpha {setting['alpha']:g}, thresholds {setting['positive_threshold']:g} and "
        f"{setting['negative_threshold']:g}, {setting['normalization']}"
    )


def _figures(by_cell: Results, titles: Mapping[str, str]) -> Part:
    rows: list[list[Value]] = []
    for (setting, way), results in by_cell.items():
        pairs = [len(result.report["relation"].get("active_pairs", ())) for result in results]
        row: list[Value] = [results[0].cell.columns["data"], setting, titles[way], *figure_values(results)]
        rows.append([*row, fmean(pairs), 100 * share_in_gradient(results)])
    columns = (Column("tested on"), Column("setting"), Column("relation"), *FIGURE_COLUMNS)
    return Part("", "Accuracy", (*columns, Column("active pairs", 1), Column("share in gradient, %", 3)), rows)


def _differences(by_cell: Results, titles: Mapping[str, str]) -> Part:
    pairs = [(way, "ce") for way in WAYS if way != "ce"]
    pairs += [("frozen", "recomputed"), ("online", "frozen"), ("online", "recomputed")]
    comparisons = [
        Comparison([setting, titles[way], titles[other]], by_cell[setting, way], by_cell[setting, other])
        for setting in SETTINGS
        for way, other in pairs
    ]
    columns = (Column("setting"), Column("of"), Column("over"))
    title = "Differences in mean accuracy and mean average precision"
    return differences_part("differences", title, columns, comparisons)


def _costs(by_cell: Results) -> Part:
    """Return how long measuring the relation of all training labels takes beside an epoch."""
    rows: list[list[Value]] = []
    for setting in SETTINGS:
        results = by_cell[setting, "recomputed"]
        mining, epoch = (
            fmean(result.figure("relation", name) for result in results) for name in ("mining_seconds", "epoch_seconds")
        )
        share = 100 * mining / epoch if epoch > 0 else math.nan
        rows.append([setting, results[0].figure("relation", "rows"), mining, epoch, share])
    columns = (
        Column("setting"),
        Column("rows", 0),
        Column("relation of all rows, s", 4),
        Column("epoch, s", 1),
        Column("share, %", 3),
    )
    return Part("costs", "What a global relation costs", columns, rows, ("Means over the seeds.",))


TABLE = Table(
    name="shift",
    title="from one data set to another: the relation frozen, recomputed or online, beside cross-entropy",
    cells=shift_cells,
    rows=shift_rows,
    fusions=(ALL_NETS,),
    options={
        "from": "the data set that the nets are trained on first, such as celeba",
        "to": "the data set that they are tuned and tested on, such as lfwa",
    },
    sets=(
        *("weights.model", "relation.source", "relation.file"),
        *(f"relation.{name}" for name in SET_BY_TABLE),
    ),
)
