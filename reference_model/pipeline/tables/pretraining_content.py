"""What the table on pre-training says: accuracies, paired differences, the pre-training itself, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from reference_model.pipeline.cells import CellResult
from reference_model.pipeline.tables.figures_of_runs import (
    FIGURE_COLUMNS,
    FIGURE_NOTE,
    Comparison,
    accuracy_line,
    difference,
    differences_part,
    figure_values,
    gains,
    group_results,
    nets_in_words,
    precision_difference,
    treatment,
)
from reference_model.pipeline.tables.statistics import Interval
from reference_model.pipeline.tables.table import (
    Column,
    FigureContent,
    Panel,
    Part,
    TableContent,
    TableOptions,
    Value,
)

PRETRAINED, SCRATCH = "pre-trained", "scratch"
CONTROLS = ("scratch with as many steps in all", "pre-trained on shuffled people")
FROZEN, RANDOM_FROZEN = "pre-trained, frozen", "random, frozen"
PAIRS = (*((PRETRAINED, other) for other in (SCRATCH, *CONTROLS)), (FROZEN, RANDOM_FROZEN), (PRETRAINED, FROZEN))
TITLE = "Does pre-training on identities help the attributes?"

Results = dict[tuple[str, str], list[CellResult]]
"""The results by number of rows and way, each in the order of the seeds."""


def pretraining_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Return the accuracies, the differences, the pre-training and the verdict for every number of rows."""
    identities = [result for result in results if result.cell.config.stage == "identity"]
    attributes = [result for result in results if result.cell.config.stage == "attributes"]
    by_cell: Results = group_results(
        attributes, lambda result: (result.cell.columns["rows"], result.cell.columns["way"])
    )
    counts = list(dict.fromkeys(rows for rows, _ in by_cell))
    note = (
        f"One net, trained with cross-entropy on {options.base.data}. At the same number of rows all ways have as many "
        "steps on the attributes, in whole epochs, but for *scratch with as many steps in all*, which has those of the "
        "pre-training as well. Rows of a smaller number are among those of a larger one. The control of shuffled "
        "people is pre-trained on the same pictures, whose people are exchanged at random."
    )
    verdicts = [f"- {_verdict(by_cell, rows)}" for rows in counts]
    return TableContent(
        TITLE,
        [_accuracies(by_cell), _differences(by_cell, counts), _identities(identities)],
        [_figure(by_cell, counts)],
        (FIGURE_NOTE, note, "\n".join(verdicts)),
    )


def _verdict(by_cell: Results, rows: str) -> str:
    pretrained, scratch = by_cell[rows, PRETRAINED], by_cell[rows, SCRATCH]
    sentence = verdict(
        rows,
        gains(pretrained, scratch),
        {name: fmean(gains(pretrained, by_cell[rows, name])) for name in CONTROLS},
        difference(pretrained, scratch).accuracy,
    )
    return f"{sentence} {_precision_in_words(precision_difference(pretrained, scratch))}"


def _precision_in_words(interval: Interval) -> str:
    if math.isnan(interval.mean):
        return "Mean average precision was not measured."
    between = "" if math.isnan(interval.low) else f"{interval.low:.2f} to {interval.high:.2f}, "
    return f"In mean average precision it is {interval.mean:+.2f} points over scratch ({between}{interval.verdict})."


def verdict(rows: str, over_scratch: Sequence[float], over_controls: Mapping[str, float], interval: Interval) -> str:
    """Say whether pre-training helps: over scratch in every seed and beyond chance, and in the mean over every control.

    Args:
        rows: The number of rows.
        over_scratch: What it gains over scratch in percentage points, by seed.
        over_controls: What it gains over each control in the mean over the seeds, by the control's name.
        interval: Of the gain over scratch.

    Example:
        >>> verdict("500", [1.5, 1.0], {"long": 0.5}, Interval(1.25, 0.9, 1.6))
        'With 500 rows pre-training helps by 1.25 points over scratch, in every one of 2 seeds, and by 0.50 over long.'
    """
    gain, seeds = fmean(over_scratch), len(over_scratch)
    above = sum(one > 0 for one in over_scratch)
    failed = [f"it gains {value:.2f} over {name}" for name, value in over_controls.items() if not value > 0]
    if interval.low <= 0:
        failed.insert(0, f"the interval of its gain over scratch is {interval.low:.2f} to {interval.high:.2f}")
    if above < seeds:
        failed.insert(0, f"it is above scratch in {above} of {seeds} seeds")
    where = f"With {rows} rows"
    if failed:
        return (
            f"{where} it is not shown that pre-training helps ({gain:+.2f} points over scratch): {'; '.join(failed)}."
        )
    every = "in the one seed, which says nothing of others" if seeds == 1 else f"in every one of {seeds} seeds"
    controls = " and ".join(f"by {value:.2f} over {name}" for name, value in over_controls.items())
    return f"{where} pre-training helps by {gain:.2f} points over scratch, {every}, and {controls}."


def _accuracies(by_cell: Results) -> Part:
    rows: list[list[Value]] = []
    for (count, way), results in by_cell.items():
        first = results[0]
        row: list[Value] = [count, way, int(first.cell.columns["steps"]), treatment(first), nets_in_words(first)]
        rows.append([*row, *figure_values(results)])
    columns = (Column("rows"), Column("way"), Column("steps", 0), Column("net"), Column("net from"))
    return Part("", "Accuracy", (*columns, *FIGURE_COLUMNS), rows)


def _differences(by_cell: Results, counts: Sequence[str]) -> Part:
    comparisons = []
    for count in counts:
        for way, other in PAIRS:
            first, second = by_cell[count, way], by_cell[count, other]
            by_seed = gains(first, second)
            above = f"{sum(gain > 0 for gain in by_seed)} of {len(by_seed)}"
            comparisons.append(Comparison([count, way, other], first, second, [above, min(by_seed)]))
    return differences_part(
        "differences",
        "Differences in mean accuracy and mean average precision",
        (Column("rows"), Column("of"), Column("over")),
        comparisons,
        (Column("seeds above in accuracy"), Column("least accuracy difference of a seed")),
    )


def _identities(results: Sequence[CellResult]) -> Part:
    by_people = group_results(results, lambda result: result.cell.columns["way"])
    rows: list[list[Value]] = []
    for people, members in by_people.items():
        first = members[0]
        figures = [
            fmean(100 * result.figure(*names) for result in members)
            for names in (("recognition", "top_1"), ("recognition", "chance"), ("verification", "auc"))
        ]
        classes = int(first.figure("recognition", "classes"))
        rows.append([people, first.cell.config.data, classes, int(first.cell.columns["steps"]), *figures])
    columns = (
        Column("pre-trained on"),
        Column("data"),
        Column("people", 0),
        Column("steps", 0),
        Column("recognised, %"),
        Column("chance, %"),
        Column("verification AUC, %"),
    )
    note = "Recognition is on held-out pictures of the training people, verification on people never seen."
    return Part("identities", "The pre-training", columns, rows, (note,))


def _figure(by_cell: Results, counts: Sequence[str]) -> FigureContent:
    places = list(range(len(counts)))
    lines = [
        accuracy_line(way, places, (by_cell[count, way] for count in counts))
        for way in dict.fromkeys(way for _, way in by_cell)
    ]
    panel = Panel("", "training pictures with attributes", "accuracy, per cent", lines, ticks=counts)
    caption = "Accuracy against the number of training pictures. Error bars are the standard deviation over the seeds."
    return FigureContent("", [panel], caption)
