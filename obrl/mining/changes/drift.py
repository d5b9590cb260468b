"""What changed, in the form that a report shows."""

from __future__ import annotations

import numpy as np

from obrl.history import History
from obrl.mining.changes import comparison_words, over_time_words
from obrl.mining.changes.comparison import TableComparison
from obrl.mining.changes.over_time import OverTime, over_time
from obrl.report.content import Drift, Finding

MOST_ROWS = 200
LINES = 8


def comparison_drift(comparison: TableComparison, *, q: float = 0.05) -> Drift:
    """The pairs of two tables that changed, the surest and largest change first.

    Args:
        comparison: of `obrl.mining.compare`.
        q: the largest share of false discoveries; without a test the largest changes are listed.

    Returns:
        A table of at most 200 pairs, with what `str(comparison)` says as its note.

    Example:
        >>> from obrl.mining import RelationMiner, compare
        >>> a = RelationMiner().fit([[1, 1], [0, 0]] * 20)
        >>> b = RelationMiner().fit([[1, 0], [0, 1]] * 20)
        >>> comparison_drift(compare(a, b)).rows[0][:5]
        ('0', '1', 1.0, -1.0, -2.0)
    """
    order = comparison.order()
    shown = comparison.changed(q) if comparison.tested else ~np.isnan(comparison.delta)
    head, rows = comparison_words.pair_table(comparison, order[shown[order]][:MOST_ROWS], q)
    note = _paragraph(comparison_words.sentences(comparison, q))
    return Drift("What changed from A to B", note, head, tuple(rows))


def comparison_findings(comparison: TableComparison, *, q: float = 0.05) -> tuple[Finding, ...]:
    """What a reader should know first of what changed from A to B.

    Warnings name the labels that were turned round, and those that vary on one side alone; further sentences say
    how prevalence changed.

    Args:
        comparison: of `obrl.mining.compare`.
        q: the largest share of false discoveries.
    """
    changed, *_ = comparison_words.changes(comparison, q)
    warnings = [f"In B, {words}." for words in comparison_words.inverted(comparison)]
    warnings += [f"{words[0].upper()}{words[1:]}." for words in comparison_words.constant(comparison, q)]
    moved = comparison_words.prevalence(comparison, q) if comparison.labels_changed(q).any() else []
    return (
        Finding(f"B against A: {changed}."),
        *(Finding(words, warning=True) for words in warnings),
        *(Finding(f"{words[0].upper()}{words[1:]}.") for words in moved),
    )


def history_drift(history: History, *, q: float = 0.05) -> Drift:
    """The pairs that drift over the parts of a table, or that moved while a model trained, the furthest first.

    Args:
        history: of a table or of training, with at least one step.
        q: the largest share of false discoveries; without a test the pairs that moved furthest are listed.

    Returns:
        A table of at most 200 pairs, and a chart of the first eight over the steps: rows of a table, or training steps.

    Raises:
        ValueError: a history without a step.

    Example:
        >>> from obrl.mining import RelationMiner
        >>> miner = RelationMiner(history=2).fit([[1, 1], [0, 0]] * 40 + [[1, 0], [0, 1]] * 40)
        >>> drift = history_drift(miner.history_)
        >>> drift.steps, drift.series
        ((40, 80, 120, 160), (('0 and 1', (1.0, 1.0, -1.0, -1.0)),))
    """
    return drift_over_time(over_time(history), q=q)


def drift_over_time(result: OverTime, *, q: float = 0.05) -> Drift:
    """As `history_drift`, of what `over_time` said of the history."""
    order = over_time_words.shown_order(result, q)[:MOST_ROWS]
    head, rows = over_time_words.pair_table(result, order)
    lines = over_time_words.series(result, order[:LINES])
    return Drift(
        title=f"The relation over the {over_time_words.unit_of(result)}",
        note=_paragraph(over_time_words.sentences(result, q)),
        columns=head,
        rows=tuple(rows),
        steps=tuple(result.history.steps.tolist()) if lines else (),
        series=lines,
        step="Last row" if result.tested else "Step",
    )


def history_findings(result: OverTime, *, q: float = 0.05) -> tuple[Finding, ...]:
    """How many pairs drift over the rows of a table, a warning where some do; nothing for a history of training.

    Args:
        result: of `over_time`.
        q: the largest share of false discoveries.
    """
    if not result.tested:
        return ()
    words = over_time_words.drift_in_words(result, q)
    return (Finding(f"{words[0].upper()}{words[1:]}.", warning=bool(result.drifts(q).any())),)


def _paragraph(sentences: list[str]) -> str:
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
