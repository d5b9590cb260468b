"""The measurement of the loss on label tables, as tables of Markdown."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.evidence.condition_report import table_lines
from benchmarks.evidence.loss_nets import LOSSES, NETS
from benchmarks.evidence.loss_tables import SITUATIONS
from benchmarks.evidence.paired import HOW, METRICS, differs, in_words

TITLES = {"linear": "a linear model", "hidden": "one hidden layer"}
JOINT = tuple(name for name in LOSSES if name != "cross-entropy")


def summary_rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """How often each joint loss was higher and lower than cross-entropy, over tables and nets."""
    rows = []
    for situation in SITUATIONS:
        for loss in JOINT:
            cells = [cell for key, cell in document["cells"].items() if key.endswith(f"| {situation}") and loss in cell]
            if not cells:
                continue
            row = [situation, loss]
            for metric in METRICS:
                intervals = [cell[loss][f"{metric} difference"] for cell in cells]
                higher = sum(differs(interval) and interval["mean"] > 0 for interval in intervals)
                lower = sum(differs(interval) and interval["mean"] < 0 for interval in intervals)
                row += [str(higher), str(len(intervals) - higher - lower), str(lower)]
            rows.append(tuple(row))
    return rows


def markdown(document: dict[str, Any]) -> str:
    """The results, with date, commit, machine and how they were measured."""
    about = document["machine"]
    sizes = ", ".join(
        f"{name} {table['train_rows']:,} training rows, {table['test_rows']:,} test rows, {table['labels']} labels"
        for name, table in document["tables"].items()
    )
    lines = [
        f"Measured {document['date'][:10]} at commit {(document['commit'] or 'unknown')[:12]} on {about['cores']} "
        f"cores of {about['cpu']}, one thread, in {document['seconds'] / 60:.0f} minutes; PyTorch "
        f"{document['versions']['torch']}; {document['seeds']} seeds. {HOW}",
        "",
        f"Rows are the first of each table, labels those in 1 to 99 % of its training rows: {sizes}. Held-out "
        "training rows choose the learning rate, for cross-entropy and then for all losses, and decide when to stop. "
        "The loss's settings are its defaults, and those that the tables of faces call strong.",
        "",
        "How often a joint loss was higher than cross-entropy, no different, and lower, over tables and both nets:",
        "",
    ]
    header = (
        "training labels",
        "joint loss",
        *(f"{m}: {w}" for m in METRICS for w in ("higher", "no difference", "lower")),
    )
    lines += table_lines(header, summary_rows(document))
    for net in NETS:
        lines += [f"Differences of mAP from cross-entropy, {TITLES[net]}:", ""]
        lines += table_lines(("training labels", "joint loss", *document["tables"]), _across(document, net))
    return "\n".join(lines)


def details(document: dict[str, Any]) -> str:
    """Every table, net and metric: cross-entropy, and the differences with their intervals."""
    lines: list[str] = []
    for net in NETS:
        for metric in METRICS:
            lines += [f"{metric} (%), {TITLES[net]}: cross-entropy, and how the joint losses differ from it.", ""]
            lines += table_lines(("table, training labels", "cross-entropy", *JOINT), _rows(document, net, metric))
    return "\n".join(lines)


def _across(document: dict[str, Any], net: str) -> list[tuple[str, ...]]:
    rows = []
    for situation in SITUATIONS:
        for loss in JOINT:
            cells = [document["cells"].get(f"{name} | {net} | {situation}", {}) for name in document["tables"]]
            words = [in_words(cell[loss]["mAP difference"], bounds=False) if loss in cell else "" for cell in cells]
            if any(words):
                rows.append((situation, loss, *words))
    return rows


def _rows(document: dict[str, Any], net: str, metric: str) -> list[tuple[str, ...]]:
    rows = []
    for name in document["tables"]:
        for situation in SITUATIONS:
            cell = document["cells"].get(f"{name} | {net} | {situation}")
            if cell is None:
                continue
            differences = [in_words(cell[loss][f"{metric} difference"]) if loss in cell else "" for loss in JOINT]
            rows.append((f"{name}, {situation}", f"{np.mean(cell['cross-entropy'][metric]):.1f}", *differences))
    return rows
