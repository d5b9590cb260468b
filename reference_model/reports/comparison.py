"""Cross-entropy alone beside the joint loss, group by group."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reference_model.config import LossKind
from reference_model.reports.attributes import groups_below_majority, groups_not_measured, number_or_nan
from reference_model.reports.text import percent

LOSSES: tuple[LossKind, ...] = ("ce", "obrl")
TITLES = {"ce": "cross-entropy", "obrl": "joint loss"}


def compare_reports(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``comparison.json`` holds.

    Args:
        reports: The report of each loss, by its name in ``LOSSES``.

    Returns:
        Accuracies a group and over all attributes, of the majority class and of each loss, the groups that are not
        above the majority class, and those that no label measures.
    """
    groups = {
        name: {
            "labels": len(group["attributes"]),
            "majority_accuracy": group["majority_accuracy"],
            **{loss: reports[loss]["groups"][name]["accuracy"] for loss in LOSSES},
        }
        for name, group in reports["ce"]["groups"].items()
    }
    return {
        "data": reports["ce"]["data"],
        "split": reports["ce"]["split"],
        "samples": reports["ce"]["samples"],
        "groups": groups,
        "all": {
            "labels": len(reports["ce"]["attributes"]),
            "majority_accuracy": reports["ce"]["mean_majority_accuracy"],
            **{loss: reports[loss]["mean_accuracy"] for loss in LOSSES},
        },
        "below_majority": {loss: groups_below_majority(reports[loss]) for loss in LOSSES},
        "not_measured": groups_not_measured(reports["ce"]),
        "relation": reports["obrl"]["relation"]["statement"],
    }


def format_comparison(comparison: Mapping[str, Any]) -> str:
    """Return the comparison as a table for the console."""
    lines = [
        f"Accuracy on the {comparison['split']} partition ({comparison['samples']} pictures)",
        f"{'group':10} {'labels':>6} {'majority':>9} {TITLES['ce']:>14} {TITLES['obrl']:>11} {'difference':>11}",
    ]
    for name, row in [*comparison["groups"].items(), ("all", comparison["all"])]:
        difference = 100 * (number_or_nan(row["obrl"]) - number_or_nan(row["ce"]))
        lines.append(
            f"{name:10} {row['labels']:6d} {percent(row['majority_accuracy']):>9} {percent(row['ce']):>14} "
            f"{percent(row['obrl']):>11} {'-' if math.isnan(difference) else f'{difference:+.2f}':>11}"
        )
    unmeasured = comparison["not_measured"]
    for loss, below in comparison["below_majority"].items():
        if below:
            lines.append(f"{TITLES[loss]}: not above the majority class in {', '.join(below)}.")
        elif len(unmeasured) < len(comparison["groups"]):
            lines.append(f"{TITLES[loss]}: every {'measured ' if unmeasured else ''}group is above the majority class.")
    if unmeasured:
        lines.append(f"Not measured, for want of labels: {', '.join(unmeasured)}.")
    return "\n".join([*lines, comparison["relation"]])
