"""How often an exported net is wrong, for its model card: by group, by label, and answers that do not go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reference_model.reports.text import number, percent, table

WORST = 10
"""How many of the labels with the lowest balanced accuracy are listed."""


def describe_errors(report: Mapping[str, Any], text: str) -> str:
    """Return how often a net is wrong, in Markdown.

    Args:
        report: What report.json holds.
        text: The report as the stage describes it, which is taken where the report is not on attributes.
    """
    if "attributes" not in report:
        return text if "\n|" in text else f"```\n{text}\n```"
    figures = ("majority_accuracy", "accuracy", "balanced_accuracy", "f1")
    header = ["group", "labels", "majority class", "accuracy", "balanced accuracy", "F1"]
    groups = [
        [name, str(len(group["attributes"])), *(percent(group.get(key)) for key in figures)]
        for name, group in report["groups"].items()
    ]
    overall = ["all", str(len(report["attributes"])), *(percent(report.get(f"mean_{key}")) for key in figures)]
    lines = [
        f"On {report['samples']} pictures; a label counts as predicted from a probability of one half on.",
        "",
        table(header, [*groups, overall]),
        "",
        *_worst_labels(report["attributes"]),
    ]
    precision = report.get("mean_average_precision")
    if precision is not None:
        lines += ["", f"Mean average precision: {number(precision, 4)}."]
    return "\n".join([*lines, *_implausible(report.get("implausible"))])


def _worst_labels(attributes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    measured = {name: row for name, row in attributes.items() if _is_number(row.get("balanced_accuracy"))}
    worst = sorted(measured, key=lambda name: float(measured[name]["balanced_accuracy"]))[:WORST]
    rows = []
    for name in worst:
        row = measured[name]
        support = row["support"]
        rate = support["positive"] / (support["positive"] + support["negative"])
        rows.append([name, percent(row["balanced_accuracy"]), percent(row["accuracy"]), percent(rate)])
    lines = ["The labels with the lowest balanced accuracy (always giving one answer has 50 %):", ""]
    lines.append(table(["label", "balanced accuracy", "accuracy", "share of positives"], rows))
    idle = [name for name, row in measured.items() if not row["accuracy"] > row.get("majority_accuracy", float("nan"))]
    if idle:
        lines += ["", f"No more often right than the majority class: {', '.join(idle)}."]
    unmeasured = [name for name in attributes if name not in measured]
    if unmeasured:
        lines += ["", f"Not measured, for want of positives or negatives: {', '.join(unmeasured)}."]
    return lines


def _implausible(report: Mapping[str, Any] | None) -> Sequence[str]:
    if not report:
        return ()
    pairs = report.get("pairs", ())
    count = len(pairs) if isinstance(pairs, list | tuple) else pairs
    return (
        "",
        f"{count} pairs of answers are all but excluded by the training labels. Predictions for "
        f"{percent(report.get('rate_predicted'))} of the pictures hold at least one of them, and so do the labels of "
        f"{percent(report.get('rate_labels'))}.",
    )


def _is_number(value: Any) -> bool:
    return value is not None and value == value
