"""The report of a run: the quality of the predictions, and the effect of the relation loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from obrl.torch import OBRLoss
from reference_model.config import RelationConfig
from reference_model.losses.influence import DEFINITIONS, INACTIVE_BELOW
from reference_model.losses.joint import CrossEntropyLoss
from reference_model.metrics import LabelCounts, nanmean
from reference_model.reports.implausible import ImplausiblePair, implausible_rate
from reference_model.reports.text import percent

FORMAT_VERSION = 1
NO_RELATION_LOSS = "No relation loss was used: the model was trained with cross-entropy alone."


def majority_accuracy(counts: LabelCounts, train_rates: Tensor) -> Tensor:
    """Return the accuracy of always predicting the class that is more frequent in the training partition.

    Args:
        counts: What was evaluated.
        train_rates: (num_labels,) shares of positives in the training partition, NaN where it has no label; 1/2 counts
            as positive.

    Returns:
        (num_labels,) float64, NaN where no label was seen, here or in the training partition.
    """
    positives, negatives = counts.positives().double(), counts.negatives().double()
    accuracy = torch.where(train_rates >= 0.5, positives, negatives) / (positives + negatives)
    return accuracy.masked_fill(train_rates.isnan().to(accuracy.device), float("nan"))


def prediction_report(
    counts: LabelCounts,
    names: Sequence[str],
    groups: Mapping[str, Sequence[int]],
    train_rates: Tensor,
    precision: Tensor,
) -> dict[str, Any]:
    """Return the part of the report that concerns the predictions.

    Args:
        counts: Counts of the evaluated partition.
        names: Names of the attributes.
        groups: For every group the columns of its attributes.
        train_rates: (num_labels,) shares of positives in the training partition, NaN where it has no label.
        precision: (num_labels,) average precision, NaN where it is undefined.

    Returns:
        Means over the attributes, over each group's, and every attribute's own figures. A figure that the partition
        does not define (balanced accuracy without positives, say) is NaN and left out of means. Labels whose prediction
        is NaN are counted as ``unusable_predictions`` and are part of no figure.
    """
    columns = {
        "accuracy": counts.accuracy(),
        "balanced_accuracy": counts.balanced_accuracy(),
        "f1": counts.f1(),
        "average_precision": precision,
        "majority_accuracy": majority_accuracy(counts, train_rates),
    }
    group_of = {column: group for group, members in groups.items() for column in members}
    attributes: dict[str, Any] = {}
    for column, name in enumerate(names):
        positive, negative = int(counts.positives()[column]), int(counts.negatives()[column])
        attributes[name] = {
            "group": group_of[column],
            **{figure: float(values[column]) for figure, values in columns.items()},
            "support": {"positive": positive, "negative": negative},
        }
    return {
        **{f"mean_{figure}": nanmean(values) for figure, values in columns.items()},
        "majority_of": "the training partition",
        "unusable_predictions": int(counts.unusable.sum()),
        "groups": {
            group: {
                "attributes": [names[column] for column in members],
                **{figure: nanmean(values[list(members)]) for figure, values in columns.items()},
            }
            for group, members in groups.items()
        },
        "attributes": attributes,
    }


def implausible_report(
    logits: Tensor, targets: Tensor, names: Sequence[str], pairs: Sequence[ImplausiblePair]
) -> dict[str, Any]:
    """Return the part of the report that concerns pairs of values that the training labels all but exclude.

    Args:
        logits: (N, num_labels) of the evaluated partition.
        targets: (N, num_labels) its labels, NaN where missing.
        names: Names of the attributes.
        pairs: The pairs.

    Returns:
        The pairs by name, and the share of pictures with at least one of them, in the predictions (at a cut-off of one
        half) and in the labels. Without a pair there is nothing to measure, and both are NaN.
    """
    predicted = torch.where(logits.isnan(), logits, (logits >= 0).to(logits.dtype))
    return {
        "pairs": [
            {
                "attributes": [names[pair.first], names[pair.second]],
                "values": [1, pair.second_value],
                "expected": pair.expected,
                "observed": pair.observed,
            }
            for pair in pairs
        ],
        "rate_predicted": implausible_rate(predicted, pairs) if pairs else float("nan"),
        "rate_labels": implausible_rate(targets, pairs) if pairs else float("nan"),
    }


def relation_report(
    criterion: CrossEntropyLoss | OBRLoss,
    config: RelationConfig,
    shares: Mapping[str, Any],
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the part of the report that concerns the relation loss.

    Args:
        criterion: The loss at the end of the training.
        config: Its settings.
        shares: What `InfluenceMeter` measured while training.
        origin: Where the relation comes from: ``source``, and more for one that was measured at once or read.

    Returns:
        Whether it was used and active, in a statement in words and in figures, and the active pairs by name.
    """
    if not isinstance(criterion, OBRLoss):
        return {"used": False, "active": False, "statement": NO_RELATION_LOSS}
    pairs = [
        {
            "attributes": list(pair.names),
            "sign": "together" if pair.sign > 0 else "apart",
            "relation": float(pair.relation),
            "phi": float(pair.phi),
            "evidence": float(pair.evidence),
        }
        for pair in criterion.pairs()
    ]
    gradient = shares["share_in_gradient"]["run"]
    active, statement = judge_relation_loss(len(pairs), gradient)
    return {
        "used": True,
        "active": active,
        "statement": statement,
        **origin,
        "settings": config.of_loss(),
        "active_pairs": pairs,
        **shares,
        "definitions": DEFINITIONS,
    }


def judge_relation_loss(num_pairs: int, share_in_gradient: float | None) -> tuple[bool, str]:
    """Say whether the relation loss did anything, and why.

    Args:
        num_pairs: Active pairs at the end of the training.
        share_in_gradient: Its mean share in the gradient over the run; None or NaN if never measured.

    Returns:
        Whether it was active, and a sentence.
    """
    share_in_gradient = None if math.isnan(number_or_nan(share_in_gradient)) else share_in_gradient
    measured = "" if share_in_gradient is None else f"; over the run it made {share_in_gradient:.3%} of the gradient"
    if num_pairs == 0:
        return False, f"The relation loss is inactive: no pair of attributes reaches a threshold{measured}."
    count = f"{num_pairs} active pair" + ("s" if num_pairs > 1 else "")
    if share_in_gradient is not None and share_in_gradient < INACTIVE_BELOW:
        return False, (
            f"The relation loss is inactive: with {count} it makes {share_in_gradient:.3%} of the gradient, "
            f"under {INACTIVE_BELOW:.1%}."
        )
    return True, f"The relation loss is active: {count}{measured}."


def describe_origin(relation: Mapping[str, Any]) -> str:
    """Say where a relation comes from that was measured at once, or read from a file.

    Args:
        relation: The report's part on the relation.
    """
    if relation["source"] == "global":
        return (
            f"The relation was measured once on the labels of {relation['rows']} training pictures, in "
            f"{relation['mining_seconds']:.2f} s, and never moved; an epoch with its validation took "
            f"{relation['epoch_seconds']:.1f} s."
        )
    course = "never moved" if relation["source"] == "file" else "moved on from there"
    return f"The relation was read from {relation['file']} (SHA-256 {relation['sha256'][:12]}) and {course}."


def format_report(report: Mapping[str, Any]) -> str:
    """Return the report as a table for the console."""
    lines = [
        f"{report['data']}, {report['split']} partition, {report['samples']} pictures, loss {report['loss']}",
        f"{'group':10} {'labels':>6} {'majority':>9} {'accuracy':>9} {'balanced':>9} {'F1':>8} {'AP':>8}",
    ]
    rows = [(name, len(group["attributes"]), group) for name, group in report["groups"].items()]
    overall = {
        figure: report.get(f"mean_{figure}")
        for figure in ("majority_accuracy", "accuracy", "balanced_accuracy", "f1", "average_precision")
    }
    for name, size, figures in [*rows, ("all", len(report["attributes"]), overall)]:
        lines.append(
            f"{name:10} {size:6d} {percent(figures['majority_accuracy']):>9} {percent(figures['accuracy']):>9} "
            f"{percent(figures['balanced_accuracy']):>9} {percent(figures['f1']):>8} "
            f"{percent(figures.get('average_precision')):>8}"
        )
    if report.get("unusable_predictions"):
        lines.append(f"{report['unusable_predictions']} predictions are not numbers and are part of no figure.")
    unmeasured = groups_not_measured(report)
    if unmeasured:
        lines.append(f"Not measured, for want of labels: {', '.join(unmeasured)}.")
    lines += describe_implausible(report.get("implausible"))
    relation = report["relation"]
    lines.append(relation["statement"])
    if relation.get("source", "online") != "online" or "sha256" in relation:
        lines.append(describe_origin(relation))
    for pair in relation.get("active_pairs", [])[:10]:
        first, second = pair["attributes"]
        lines.append(f"  {first} and {second}: {pair['sign']}, phi {_number(pair['phi'])}")
    if len(relation.get("active_pairs", [])) > 10:
        lines.append(f"  and {len(relation['active_pairs']) - 10} more in report.json")
    return "\n".join(lines)


def describe_implausible(figures: Mapping[str, Any] | None) -> list[str]:
    """Return sentences on implausible pairs: none for the report of a version that did not count them."""
    if figures is None or not figures["pairs"]:
        return []
    count = len(figures["pairs"])
    return [
        f"{count} pair{'s' if count > 1 else ''} of values that the training labels all but exclude: at least one in "
        f"{percent(figures['rate_predicted'])} of the predictions, in {percent(figures['rate_labels'])} of the labels."
    ]


def groups_below_majority(report: Mapping[str, Any]) -> list[str]:
    """Return the groups whose accuracy was measured and is not above the majority baseline's."""
    return [
        name
        for name, group in report["groups"].items()
        if number_or_nan(group["accuracy"]) <= number_or_nan(group["majority_accuracy"])
    ]


def groups_not_measured(report: Mapping[str, Any]) -> list[str]:
    """Return the groups without an accuracy, or without a majority baseline: no label defines it."""
    return [
        name
        for name, group in report["groups"].items()
        if math.isnan(number_or_nan(group["accuracy"]) + number_or_nan(group["majority_accuracy"]))
    ]


def number_or_nan(value: float | None) -> float:
    """Return a figure of a report; JSON, which has no NaN, holds null for one that is undefined."""
    return float("nan") if value is None else float(value)


def _number(value: float | None) -> str:
    return "-" if math.isnan(number_or_nan(value)) else f"{value:+.2f}"
