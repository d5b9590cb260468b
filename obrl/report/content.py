"""What a report says, as values: `obrl.report.page` turns them into one HTML file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a reader should know first.

    Attributes:
        text: one sentence or two, plain text.
        warning: whether the reader has to do something about it.
    """

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """How sure each pair of a table is; NaN where phi is undefined.

    Attributes:
        phi_low: the lower end of the 95 % interval of phi, float64, for the pairs i < j in the order of
            `numpy.triu_indices(num_labels, 1)`; so are the other three.
        phi_high: the upper end.
        q: the share of false discoveries among all pairs that are at least as significant.
        related: whether the pair may be called related, bool.
    """

    phi_low: FloatArray
    phi_high: FloatArray
    q: FloatArray
    related: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """What is suspected of one label.

    Attributes:
        label: index of the label.
        known: how many rows have an entry for it.
        wrong: about how many of those that were listed, as most suspicious of the whole table, are wrong.
    """

    label: int
    known: int
    wrong: float


@dataclass(frozen=True, slots=True)
class SuspectRow:
    """An entry of a table that is probably wrong.

    Attributes:
        file: the file that the row stands in.
        row: the row's number in this file, from 1.
        id: what the table calls the row; empty where it calls it nothing.
        label: index of the label.
        value: the entry, 0 or 1.
        probability: that the label is present, by the row's other labels.
        explanation: which other labels say so, in words.
    """

    file: str
    row: int
    id: str
    label: int
    value: int
    probability: float
    explanation: str


@dataclass(frozen=True, slots=True)
class Suspects:
    """Entries that are probably wrong.

    Attributes:
        labels: the summary of each label that has any.
        rows: the entries, most suspicious first; None where a report must not show rows.
    """

    labels: tuple[SuspectLabel, ...]
    rows: tuple[SuspectRow, ...] | None


@dataclass(frozen=True, slots=True)
class Drift:
    """What changed between two tables, or over time: a table, and where there are steps a line chart of them.

    Attributes:
        title: the heading.
        note: a sentence or two on how to read the table, plain text.
        columns: a heading for each column.
        rows: one cell a column each; a float is shown with three digits, and NaN as a dash.
        steps: what the chart's x axis shows; empty without a chart.
        series: the lines of the chart, a name and one value a step each; NaN leaves a gap.
        step: the heading of the steps, such as `"Last row"` for the parts of a table.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    steps: tuple[int, ...] = ()
    series: tuple[tuple[str, tuple[float, ...]], ...] = ()
    step: str = "Step"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report shows.

    Attributes:
        title: the heading of the page.
        label_names: num_labels names.
        findings: what a reader should know first, in this order.
        facts: name and value of each setting, file, size and version.
        measure: a key of `obrl.MEASURES`; `relation` and `thresholds` are on its scale.
        relation: float64 (num_labels, num_labels), NaN where it is undefined.
        counts: int64 counts of a table, from which the page computes phi, intervals and charges; None for a loss.
        weight: the relation weight of each pair of a loss, float64 (num_labels, num_labels); None for a table.
        thresholds: the positive and the negative threshold at which the page starts.
        evidence: of the pairs of a table.
        code: the lines that build the loss, with `{positive_threshold}` and `{negative_threshold}` in the places of
            the numbers that the reader chooses.
        suspects: entries that are probably wrong.
        drift: what changed between two tables, or over time.
    """

    title: str
    label_names: tuple[str, ...]
    findings: tuple[Finding, ...]
    facts: tuple[tuple[str, str], ...]
    measure: str
    relation: FloatArray
    counts: PairCounts | None
    weight: FloatArray | None
    thresholds: tuple[float, float]
    evidence: PairEvidence | None
    code: str
    suspects: Suspects | None = None
    drift: tuple[Drift, ...] = ()
