"""Figure 2: accuracy against alpha, the relation loss's weight, over the paper's range and where it has leverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from reference_model.pipeline.cells import Cell, CellResult, net_names
from reference_model.pipeline.tables.figures_of_runs import (
    COMPARISON_COLUMNS,
    FIGURE_COLUMNS,
    FIGURE_NOTE,
    NO_COMPARISON,
    accuracy_line,
    compare,
    figure_values,
    group_results,
    nets_in_words,
    notes_on,
    share_in_gradient,
    treatment,
)
from reference_model.pipeline.tables.table import (
    ALL_NETS,
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
from reference_model.settings.plain import SettingsError

PAPER_ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
WIDE_ALPHAS = (10.0, 100.0, 1000.0, 10000.0, 100000.0)
"""Beyond the paper's range: with its normalisation the relation loss's share in the gradient passes one half here."""

SHARE_COLUMN = "share in gradient"
Results = dict[tuple[str, float], list[CellResult]]


def figure2_cells(options: TableOptions) -> list[Cell]:
    """Return a cell for every seed, data set and alpha; that of alpha 0 is cross-entropy, as table2 has it."""
    return [
        alpha_cell(options, data, alpha, seed)
        for seed in options.seeds
        for data in options.bases
        for alpha in (*PAPER_ALPHAS, *wide_alphas(options))
    ]


def alpha_cell(options: TableOptions, data: str, alpha: float, seed: int) -> Cell:
    """Return the cell of an alpha."""
    (fusion,) = options.fusions
    columns = {"data": data, "alpha": f"alpha {alpha:g}", "nets": net_names(fusion), "seed": f"seed {seed}"}
    config = options.config(data, fusion, seed=seed, loss="obrl" if alpha else "ce")
    return Cell(columns, replace(config, relation=replace(config.relation, alpha=alpha)))


def wide_alphas(options: TableOptions) -> tuple[float, ...]:
    """Return the weights beyond the paper's range.

    Raises:
        SettingsError: If the option holds something else than rising numbers above 1.
    """
    text = options.words.get("wide-alphas")
    if text is None:
        return WIDE_ALPHAS
    try:
        alphas = tuple(float(part) for part in text.split(","))
    except ValueError:
        alphas = ()
    if not alphas or any(b <= a for a, b in pairwise((1.0, *alphas))) or not math.isfinite(alphas[-1]):
        raise SettingsError(f"--wide-alphas must be rising numbers above 1, such as 10,100; got {text!r}")
    return alphas


def figure2_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return both ranges as tables and as figures of a panel a data set."""
    groups = group_results(results, lambda result: (result.cell.columns["data"], _alpha(result)))
    by_alpha: Results = {place: runs for place, runs in groups.items() if len(runs) == len(options.seeds)}
    wide = wide_alphas(options)
    nets = "; ".join(
        f"{data}: {treatment(by_alpha[data, 0.0][0])} nets ({nets_in_words(by_alpha[data, 0.0][0])})"
        for data in options.bases
    )
    return TableContent(
        "Figure 2: accuracy against the weight of the relation loss",
        [
            _part("", "The paper's range", PAPER_ALPHAS, by_alpha, options),
            _part("wide", "Where alpha has leverage", (0.0, 1.0, *wide), by_alpha, options),
        ],
        [
            FigureContent(
                "", _panels(options, by_alpha, PAPER_ALPHAS, log=False), _caption(by_alpha, options, PAPER_ALPHAS)
            ),
            FigureContent(
                "wide",
                _panels(options, by_alpha, (0.0, 1.0, *wide), log=True),
                f"{_caption(by_alpha, options, (1.0, *wide))} {_half(by_alpha, options, (*PAPER_ALPHAS, *wide))} "
                "The shaded range is the paper's.",
            ),
        ],
        (FIGURE_NOTE, f"Nets: {net_names(options.fusions[0])}. {nets}. Alpha 0 is cross-entropy alone."),
    )


def _alpha(result: CellResult) -> float:
    return result.cell.config.relation.alpha


def _present(data: str, alphas: Sequence[float], by_alpha: Results) -> list[float]:
    """Return the weights of which every run is finished; others diverged."""
    return [alpha for alpha in alphas if (data, alpha) in by_alpha]


def _part(name: str, title: str, alphas: Sequence[float], by_alpha: Results, options: TableOptions) -> Part:
    rows: list[list[Value]] = []
    compared = []
    for data in options.bases:
        for alpha in _present(data, alphas, by_alpha):
            results = by_alpha[data, alpha]
            if alpha:
                compared.append(compare(results, by_alpha[data, 0.0]))
            pairs = [float(len(result.report["relation"].get("active_pairs", ()))) for result in results]
            rows.append(
                [data, f"{alpha:g}", *figure_values(results), 100 * share_in_gradient(results), fmean(pairs)]
                + (compared[-1].values() if alpha else [*NO_COMPARISON])
            )
    columns = (Column("data"), Column("alpha"), *FIGURE_COLUMNS, Column(SHARE_COLUMN, 3), Column("active pairs", 1))
    note = " ".join(("Differences are to alpha 0.", *notes_on(compared)))
    return Part(name, title, (*columns, *COMPARISON_COLUMNS), rows, (note,))


def _panels(options: TableOptions, by_alpha: Results, alphas: Sequence[float], *, log: bool) -> list[Panel]:
    panels = []
    for data in options.bases:
        places = _present(data, alphas, by_alpha)
        majority = fmean(100 * result.figure("mean_majority_accuracy") for result in by_alpha[data, 0.0])
        lines = [
            accuracy_line("accuracy", places, (by_alpha[data, alpha] for alpha in places)),
            Line("majority class", places, [majority] * len(places)),
        ]
        panels.append(Panel(data, "alpha", "accuracy, per cent", lines, log_x=log, band=(0, 1) if log else None))
    return panels


def _caption(by_alpha: Results, options: TableOptions, alphas: Sequence[float]) -> str:
    shares = []
    for data in options.bases:
        of_data = [
            (alpha, share_in_gradient(by_alpha[data, alpha])) for alpha in _present(data, alphas, by_alpha) if alpha
        ]
        listed = ", ".join(f"{_percent(share)} at {alpha:g}" for alpha, share in of_data) or "not measured"
        shares.append(f"on {data} {listed}")
    return (
        f"Accuracy against alpha. The relation loss's share in the gradient, mean over the run, is "
        f"{'; '.join(shares)}. "
        "A curve that is flat where the share is close to nothing shows no stability."
    )


def _half(by_alpha: Results, options: TableOptions, alphas: Sequence[float]) -> str:
    sentences = []
    for data in options.bases:
        places = _present(data, alphas, by_alpha)
        alpha = alpha_of_half([(alpha, share_in_gradient(by_alpha[data, alpha])) for alpha in places])
        sentences.append(
            f"On {data} it stays below one half up to alpha {places[-1]:g}."
            if alpha is None
            else f"On {data} it reaches one half at alpha {float(f'{alpha:.2g}'):g}."
        )
    return " ".join(sentences)


def alpha_of_half(shares: Sequence[tuple[float, float]]) -> float | None:
    """Return the alpha at which the share in the gradient reaches one half, None where it does not.

    Between two weights the odds of the share are taken to be a power of alpha.

    Args:
        shares: Alpha and share, in the order of alpha.
    """
    usable = [(alpha, share) for alpha, share in shares if alpha > 0 and 0 < share < 1]
    for (low, before), (high, after) in pairwise(usable):
        if before < 0.5 <= after:
            odds = [math.log(share / (1 - share)) for share in (before, after)]
            place = -odds[0] / (odds[1] - odds[0])
            return math.exp(math.log(low) + place * math.log(high / low))
    return None


def _percent(share: float) -> str:
    return "not measured" if math.isnan(share) else f"{share:.2g}" if share == 0 else f"{100 * share:.2g} %"


TABLE = Table(
    name="figure2",
    title="the paper's Figure 2: accuracy against alpha, from 0 to 1 and where it has leverage",
    cells=figure2_cells,
    rows=figure2_rows,
    fusions=(ALL_NETS,),
    options={"wide-alphas": f"weights beyond 1 (default: {','.join(f'{alpha:g}' for alpha in WIDE_ALPHAS)})"},
    sets=("relation.alpha",),
    needs=lambda cell: cell.config.relation.alpha == 0,
)
