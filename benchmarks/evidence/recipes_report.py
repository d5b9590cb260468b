"""The measurement of the recipes, as tables of Markdown."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.evidence.condition_report import table_lines
from benchmarks.evidence.paired import HOW, METRICS, in_words


def markdown(document: dict[str, Any]) -> str:
    """The results, with date, commit and machine."""
    about = document["machine"]
    lines = [
        f"Measured {document['date'][:10]} at commit {(document['commit'] or 'unknown')[:12]} on {about['cores']} "
        f"cores of {about['cpu']}, one thread, in {document['seconds'] / 60:.0f} minutes; PyTorch "
        f"{document['versions']['torch']}; {document['seeds']} seeds. {HOW}",
        "",
        "**A weight prior.** A linear head fitted to few rows. Held-out rows choose the weight decay, out of the same "
        "seven values for both; then all rows are fitted.",
        "",
    ]
    lines += table_lines(_header("table, training rows", "weight decay", "prior"), _rows(document["prior"]))
    lines += [
        "**Smoothed targets.** Some training labels are flipped at random, test labels are not. Held-out training "
        "rows choose the learning rate, for the targets as they are, and decide when to stop.",
        "",
    ]
    lines += table_lines(
        _header("table, net, training labels", "targets as they are", "smoothed"), _rows(document["targets"])
    )
    return "\n".join(lines)


def _header(first: str, without: str, recipe: str) -> tuple[str, ...]:
    return (first, *(words for metric in METRICS for words in (f"{metric} (%), {without}", f"{metric}, {recipe}")))


def _rows(cells: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for name, cell in cells.items():
        values: list[str] = []
        for metric in METRICS:
            values += [f"{np.mean(cell[metric]['without']):.1f}", in_words(cell[metric]["difference"])]
        rows.append((name, *values))
    return rows
