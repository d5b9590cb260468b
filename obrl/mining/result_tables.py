"""The tables that `obrl mine` writes beside the relation: its pairs and its labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from obrl.report.words import one_line
from obrl.significance import RELATED_Q

if TYPE_CHECKING:
    from obrl.mining.accumulate import TableCounts
    from obrl.mining.pair_table import PairTable

PAIR_COLUMNS = (
    *("label_1", "label_2", "phi", "phi_low", "phi_high", "at_least", "p", "q"),
    *("samples", "both", "expected", "supported", "related"),
)
LABEL_COLUMNS = ("label", "known", "present", "missing", "rate", "related", "strongest", "phi")
MOST_PAIRS = 1_000_000
"""With more pairs than so, pairs.csv holds the related ones alone."""
PAIRS_AT_ONCE = 50_000
LONGEST_NAME = 32
SMALLEST_Q = 1e-300
"""Below it a q may be 0 in floating point, which no test can say."""


def label_names(counts: TableCounts) -> tuple[str, ...]:
    """The names, or the labels' numbers where they have none."""
    if counts.label_names is not None:
        return counts.label_names
    return tuple(str(label) for label in range(counts.num_labels))


def write_pairs(file: TextIO, pairs: PairTable, names: Sequence[str], order: npt.NDArray[np.intp]) -> None:
    """Write pairs as CSV.

    Args:
        file: opened with `newline=""`.
        pairs: all pairs of a table.
        names: one a label.
        order: which pairs, in which order.
    """
    writer = csv.writer(file)
    writer.writerow(PAIR_COLUMNS)
    for start in range(0, len(order), PAIRS_AT_ONCE):
        writer.writerows(pair_rows(pairs, names, order[start : start + PAIRS_AT_ONCE]))


def pair_rows(pairs: PairTable, names: Sequence[str], order: npt.NDArray[np.intp]) -> Iterator[tuple[str, ...]]:
    """The cells of `PAIR_COLUMNS` for some pairs, in text."""
    return zip(
        (names[label] for label in pairs.i[order].tolist()),
        (names[label] for label in pairs.j[order].tolist()),
        *(_numbers(column[order]) for column in (pairs.phi, pairs.phi_low, pairs.phi_high, pairs.lower)),
        *(_numbers(column[order]) for column in (pairs.p, pairs.q)),
        *(map(str, column[order].tolist()) for column in (pairs.samples, pairs.both)),
        _numbers(pairs.expected[order]),
        *(_answers(column[order]) for column in (pairs.supported, pairs.related(RELATED_Q))),
        strict=True,
    )


def pairs_to_write(pairs: PairTable) -> npt.NDArray[np.intp]:
    """The pairs for pairs.csv, the surest first: all, or of very many the related ones."""
    order = pairs.order("lower")
    return order if len(order) <= MOST_PAIRS else order[pairs.related(RELATED_Q)[order]]


def write_labels(path: str | os.PathLike[str], counts: TableCounts, pairs: PairTable) -> None:
    """Write a row for each label as CSV: how often it is known and present, and what it relates to."""
    names = label_names(counts)
    known, present = counts.counts.n.diagonal(), counts.counts.s.diagonal()
    related = pairs.related(RELATED_Q)
    how_many = np.bincount(np.concatenate([pairs.i[related], pairs.j[related]]), minlength=len(names))
    best = strongest_partners(pairs, len(names))
    with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a path of any kind
        writer = csv.writer(file)
        writer.writerow(LABEL_COLUMNS)
        for label, name in enumerate(names):
            pair = best[label]
            partner, phi = "", ""
            if pair >= 0:
                partner = names[int(pairs.j[pair] if pairs.i[pair] == label else pairs.i[pair])]
                phi = _number(float(pairs.phi[pair]))
            missing = counts.rows - int(known[label])
            numbers = (int(known[label]), int(present[label]), missing, _number(float(counts.rates[label])))
            writer.writerow((name, *numbers, int(how_many[label]), partner, phi))


def strongest_partners(pairs: PairTable, num_labels: int) -> npt.NDArray[np.int64]:
    """For each label the position of the related pair that is surest, or -1, (num_labels,)."""
    order = pairs.order("lower")
    order = order[pairs.related(RELATED_Q)[order]][::-1]
    rank = np.full(num_labels, -1, np.int64)
    for ends in (pairs.i, pairs.j):  # the surest pair comes last
        np.maximum.at(rank, ends[order], np.arange(len(order)))
    best = np.full(num_labels, -1, np.int64)
    best[rank >= 0] = order[rank[rank >= 0]]
    return best


def _numbers(values: npt.NDArray[np.float64]) -> Iterable[str]:
    return map(_number, values.tolist())


def _number(value: float) -> str:
    """Six digits; nothing for NaN."""
    return "" if value != value else f"{value:.6g}"


def _answers(values: npt.NDArray[np.bool_]) -> Iterator[str]:
    return ("yes" if value else "no" for value in values.tolist())


def shown_pairs(
    pairs: PairTable, names: Sequence[str], order: npt.NDArray[np.intp], *, q: float = RELATED_Q, mark: bool = False
) -> str:
    """Some pairs as an aligned table; `mark` puts an asterisk behind those that are related at `q`."""
    related = pairs.related(q)
    rows = [
        (
            one_line(names[pairs.i[k]], LONGEST_NAME),
            one_line(names[pairs.j[k]], LONGEST_NAME),
            f"{pairs.phi[k]:+.3f}",
            f"{pairs.phi_low[k]:+.3f} to {pairs.phi_high[k]:+.3f}",
            q_in_words(float(pairs.q[k])),
            f"{pairs.both[k]:,}",
            f"{pairs.expected[k]:,.1f}",
            f"{pairs.samples[k]:,}",
            *(("*" if related[k] else "",) if mark else ()),
        )
        for k in order.tolist()
    ]
    head = (
        "label",
        "label",
        "phi",
        "95 % interval",
        "q",
        "both",
        "expected",
        "samples",
        *(("related",) if mark else ()),
    )
    return as_text_table(head, rows, left=2)


def q_in_words(q: float) -> str:
    """A q of two digits, never a bare 0.

    Example:
        >>> q_in_words(0.0314), q_in_words(0.0)
        ('0.031', '<1e-300')
    """
    return f"<{SMALLEST_Q:g}" if q < SMALLEST_Q else f"{q:.2g}"


def hidden_rows(total: int, shown: int) -> list[str]:
    """The line under a table that shows the first rows alone; none where it shows them all.

    Example:
        >>> hidden_rows(1_200, 20), hidden_rows(20, 20)
        (['... and 1,180 more: --top 0 shows all'], [])
    """
    return [f"... and {total - shown:,} more: --top 0 shows all"] if shown < total else []


def as_text_table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, left: int) -> str:
    """Rows in aligned columns, of which the first `left` hold words.

    Example:
        >>> print(as_text_table(["label", "rows"], [["Hat", "12"], ["Beard", "5"]], left=1))
        label  rows
        Hat      12
        Beard     5
    """
    table = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    lines = []
    for row in table:
        words = [cell.ljust(width) for cell, width in zip(row[:left], widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(row[left:], widths[left:], strict=True)]
        lines.append("  ".join(words + numbers).rstrip())
    return "\n".join(lines)
