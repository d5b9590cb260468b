"""What changed, in the form that a report shows."""

from __future__ import annotations

import numpy as np

from obrl.mining.comparison import TableComparison
from obrl.mining.comparison_words import pair_table, sentences
from obrl.report.content import Drift

MOST_ROWS = 200


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
        ('0', '1', '+1.000', '-1.000', '-2.000')
    """
    order = comparison.order()
    shown = comparison.changed(q) if comparison.tested else ~np.isnan(comparison.delta)
    head, rows = pair_table(comparison, order[shown[order]][:MOST_ROWS], q)
    note = ". ".join(sentence[0].upper() + sentence[1:] for sentence in sentences(comparison, q)) + "."
    return Drift("What changed from A to B", note, head, tuple(rows))
