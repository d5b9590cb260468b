"""What a comparison says: in words, as columns, and as tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from obrl.mining.result_tables import LONGEST_NAME, PAIRS_AT_ONCE, as_text_table, hidden_rows, q_in_words
from obrl.report.words import counted, listed, one_line

if TYPE_CHECKING:
    from obrl.mining.changes.comparison import TableComparison

SHOWN = 10
LABELS_SHOWN = 5
SAME_ODDS_P = 0.05
CLEAR_PHI = 0.1
"""A pair of at least this |phi| on both sides may be said to have changed sign; else it became stronger or weaker."""


def columns(comparison: TableComparison, q: float = 0.05) -> dict[str, npt.NDArray[Any]]:
    """The numbers of each pair by name: what CSV files hold and `--fail-on` can ask for.

    Args:
        comparison: of two tables.
        q: for the columns `changed` and `constant`.
    """
    c = comparison
    whole = {name: getattr(c, name) for name in ("phi_a", "phi_b", "delta", "delta_low", "delta_high", "z", "p", "q")}
    return {
        **whole,
        "supported": c.supported,
        "changed": c.changed(q),
        "constant": c.constant(q),
        "log_odds_a": c.log_odds_a,
        "log_odds_b": c.log_odds_b,
        "log_odds_p": c.log_odds_p,
        "rate_1_a": c.rates_a[c.i],
        "rate_1_b": c.rates_b[c.i],
        "rate_2_a": c.rates_a[c.j],
        "rate_2_b": c.rates_b[c.j],
        "samples_a": c.samples_a,
        "samples_b": c.samples_b,
        "both_a": c.both_a,
        "both_b": c.both_b,
    }


def write_comparison(file: TextIO, comparison: TableComparison, q: float = 0.05) -> None:
    """Write all pairs as CSV, the surest and largest change first.

    Args:
        file: opened with `newline=""`.
        comparison: of two tables.
        q: for the columns `changed` and `constant`.
    """
    by_name, names = columns(comparison, q), comparison.names
    writer = csv.writer(file)
    writer.writerow(("label_1", "label_2", *by_name))
    order = comparison.order()
    for start in range(0, len(order), PAIRS_AT_ONCE):
        at = order[start : start + PAIRS_AT_ONCE]
        labels = ([names[label] for label in end[at].tolist()] for end in (comparison.i, comparison.j))
        writer.writerows(zip(*labels, *(_cells(column[at]) for column in by_name.values()), strict=True))


def _cells(values: npt.NDArray[Any]) -> Iterator[str]:
    if values.dtype == np.bool_:
        return ("yes" if value else "no" for value in values.tolist())
    if values.dtype.kind in "iu":
        return map(str, values.tolist())
    return ("" if value != value else f"{value:.6g}" for value in values.tolist())


def summary(comparison: TableComparison, q: float = 0.05, top: int = SHOWN) -> str:
    """What changed, in words, with a table of the pairs that changed most.

    Args:
        comparison: of two tables.
        q: the largest share of false discoveries.
        top: the pairs to show; 0 for all that changed.
    """
    lines = sentences(comparison, q)
    order = comparison.order()
    order = order[comparison.changed(q)[order]] if comparison.tested else order[~np.isnan(comparison.delta[order])]
    shown = order[:top] if top else order
    if len(shown):
        lines += ["", as_text_table(*in_text(*pair_table(comparison, shown, q)), left=2)]
    return "\n".join([*lines, *hidden_rows(len(order), len(shown))])


def sentences(comparison: TableComparison, q: float = 0.05) -> list[str]:
    """What changed, a line each: sizes, pairs, labels that were turned round, and prevalence."""
    c = comparison
    size = f"A: {_rows(c.rows[0])}; B: {_rows(c.rows[1])}; {counted(c.num_labels, 'label')}"
    return [size, *changes(c, q), *constant(c, q), *inverted(c), *(prevalence(c, q) if c.tested else [])]


def changes(c: TableComparison, q: float = 0.05) -> list[str]:
    """How many pairs changed."""
    if not c.tested:
        words = "no test: at least one side holds no counts of a table, as a relation that a loss has saved"
        return [f"{words}; so nothing says whether a difference is more than chance"]
    changed = c.changed(q)
    how = ", by groups" if c.grouped else ""
    words = f"{changed.sum():,} of {counted(len(c), 'pair')} changed (q <= {q:g}{how})"
    if changed.any():
        words += f": {_how(c, changed)}"
    samples = np.minimum(c.samples_a, c.samples_b)
    undefined = np.isnan(c.phi_a + c.phi_b) & (samples > 0)
    if fixed := int(undefined.sum()):
        words += f"; {fixed:,} {has_or_have(fixed)} a label that is constant in A or B"
    if lacking := int((~c.supported & ~undefined).sum()):
        words += f"; {lacking:,} {has_or_have(lacking)} too few rows to say"
    return [words]


def _how(c: TableComparison, changed: npt.NDArray[np.bool_]) -> str:
    """How many of the pairs that changed became stronger or weaker, or changed sign."""
    turned = changed & (c.phi_a * c.phi_b < 0) & (np.minimum(np.abs(c.phi_a), np.abs(c.phi_b)) >= CLEAR_PHI)
    weaker = changed & ~turned & (np.abs(c.phi_b) < np.abs(c.phi_a))
    stronger = changed & ~turned & ~weaker
    words = [
        f"{number:,} {'is' if number == 1 else 'are'} {what} in B"
        for what, number in (("stronger", int(stronger.sum())), ("weaker", int(weaker.sum())))
        if number
    ]
    return ", ".join([*words, *([f"{turned.sum():,} changed sign"] if turned.any() else [])])


def constant(c: TableComparison, q: float = 0.05) -> list[str]:
    """A line for each side on which labels are constant that vary on the other."""
    lines = []
    for which, side, other in zip(c.became_constant(q), "AB", "BA", strict=True):
        if which.any():
            names = listed([c.names[label] for label in np.flatnonzero(which).tolist()])
            one = which.sum() == 1
            what, vary, its = (
                (f"label {names} is", "varies", "its") if one else (f"labels {names} are", "vary", "their")
            )
            lines.append(f"{what} constant in {side} and {vary} in {other}, so that {its} pairs cannot be compared")
    return lines


def has_or_have(number: int) -> str:
    """The verb behind this number of things."""
    return "has" if number == 1 else "have"


def _rows(rows: int) -> str:
    return counted(rows, "row") if rows else "no counts"


def inverted(c: TableComparison) -> list[str]:
    """A line for each label that was turned round."""
    lines = []
    for label, pairs, turned in c.inverted:
        some = f"all its {pairs:,}" if turned == pairs else f"{turned:,} of its {pairs:,}"
        those = "clear pairs with labels that kept their meaning"
        rates = ""
        if not np.isnan(c.rates_a[label] + c.rates_b[label]):
            rates = f", its prevalence went {_from_to(c, label)}"
        lines.append(
            f"label {listed([c.names[label]])}: {some} {those} changed sign{rates}: its meaning may have been inverted"
        )
    return lines


def prevalence(c: TableComparison, q: float = 0.05) -> list[str]:
    """Lines on the labels that are not present equally often, and on the pairs that changed with them."""
    labels = np.flatnonzero(c.labels_changed(q))
    if not len(labels):
        return [f"no label changed its prevalence (q <= {q:g})"]
    most = labels[np.argsort(-np.abs(c.rates_b[labels] - c.rates_a[labels]), kind="stable")][:LABELS_SHOWN]
    moves = ", ".join(f"{one_line(c.names[label], LONGEST_NAME)} {_from_to(c, label)}" for label in most.tolist())
    more = "" if len(most) == len(labels) else "; most"
    lines = [f"prevalence changed for {len(labels):,} of {c.num_labels:,} labels (q <= {q:g}){more}: {moves}"]
    driven = int((c.changed(q) & _prevalence_alone(c, q)).sum())
    if driven:
        lines.append(
            f"phi moves with prevalence alone: {driven:,} of the changed pairs have a label whose prevalence changed, "
            "and an odds ratio that did not clearly change"
        )
    return lines


def _from_to(c: TableComparison, label: int) -> str:
    return f"from {percent(c.rates_a[label])} to {percent(c.rates_b[label])}"


def percent(share: float) -> str:
    """A share in per cent.

    Example:
        >>> percent(0.2406), percent(0.00123)
        ('24.1 %', '0.12 %')
    """
    return f"{100 * share:.1f} %" if share >= 0.01 or share == 0 else f"{100 * share:.2g} %"


def _prevalence_alone(c: TableComparison, q: float) -> npt.NDArray[np.bool_]:
    """Pairs with a label whose prevalence changed while the odds ratio did not clearly change."""
    moved = c.labels_changed(q)
    return (moved[c.i] | moved[c.j]) & ~(c.log_odds_p <= SAME_ODDS_P)


def prevalence_in_words(c: TableComparison, pair: int, q: float = 0.05) -> str:
    """Which labels of a pair are not present equally often, and whether the odds ratio stayed."""
    moved = c.labels_changed(q)
    ends = (int(c.i[pair]), int(c.j[pair]))
    words = [
        f"{one_line(c.names[label], LONGEST_NAME)} {percent(c.rates_a[label])} -> {percent(c.rates_b[label])}"
        for label in ends
        if moved[label]
    ]
    if words and not c.log_odds_p[pair] <= SAME_ODDS_P:
        words.append("odds ratio alike")
    return ", ".join(words)


def pair_table(
    c: TableComparison, order: npt.NDArray[np.intp], q: float = 0.05
) -> tuple[tuple[str, ...], list[tuple[str | float, ...]]]:
    """The heading and the cells of a table of some pairs."""
    head: tuple[str, ...] = ("label", "label", "phi A", "phi B", "delta")
    rows: list[tuple[str | float, ...]] = []
    for k in order.tolist():
        values = (float(column[k]) for column in (c.phi_a, c.phi_b, c.delta))
        cells: tuple[str | float, ...] = (*_ends(c, k), *values)
        if c.tested:
            sure = (f"{c.delta_low[k]:+.3f} to {c.delta_high[k]:+.3f}", q_in_words(float(c.q[k])))
            cells = (*cells, *sure, float(c.log_odds_a[k]), float(c.log_odds_b[k]), prevalence_in_words(c, k, q))
        rows.append(cells)
    return (*head, *(("95 % interval", "q", "log odds A", "log odds B", "prevalence") if c.tested else ())), rows


def some_pairs(c: TableComparison, which: npt.NDArray[np.intp], names: Sequence[str], q: float = 0.05) -> str:
    """Some pairs as an aligned table with columns of the CSV.

    Args:
        c: of two tables.
        which: the positions of the pairs.
        names: of the columns.
        q: for the columns `changed` and `constant`.
    """
    by_name = columns(c, q)
    cells = zip(*(_cells(by_name[name][which]) for name in names), strict=True)
    rows = [(*_ends(c, pair), *row) for pair, row in zip(which.tolist(), cells, strict=True)]
    return as_text_table(("label", "label", *names), rows, left=2)


def in_text(head: Sequence[str], rows: Sequence[Sequence[str | float]]) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """The same table with numbers as they are printed."""
    return head, [tuple(f"{cell:+.3f}" if isinstance(cell, float) else cell for cell in row) for row in rows]


def _ends(c: TableComparison, pair: int) -> Sequence[str]:
    return tuple(one_line(c.names[int(end[pair])], LONGEST_NAME) for end in (c.i, c.j))
