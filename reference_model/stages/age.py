"""Age (Net_2): one number by the Euclidean loss, a hundred years being 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from reference_model.config import STAGE_DATA, RunConfig
from reference_model.data.catalogue import Catalogue, YearLabels
from reference_model.losses.plain import EuclideanLoss
from reference_model.nets.heads import NumberHead
from reference_model.reports.age import age_report, describe_age, plot_age
from reference_model.reports.text import reported_partition
from reference_model.stages.classes import with_notes
from reference_model.stages.figures import AgeFigures
from reference_model.stages.stage import Evaluation, Stage, Targets

SCALE = 100.0
"""Years of a target of 1."""

OLDEST = 100.0


def age_targets(catalogue: Catalogue, config: RunConfig) -> Targets:
    """Return ages in hundreds of years; the details hold median and mean of the training partition in years.

    Raises:
        ValueError: If there are no ages, none in the training partition, or one outside of 0 to 100.
    """
    labels = catalogue.labels.get("age")
    if not isinstance(labels, YearLabels):
        offered = ", ".join(catalogue.labels) or "nothing"
        raise ValueError(f"{catalogue.data} has no ages; it is labelled with {offered}")
    outside = np.flatnonzero((labels.values < 0) | (labels.values > OLDEST))
    if len(outside):
        row = int(outside[0])
        raise ValueError(
            f"{catalogue.pictures.describe(row)}: the age {labels.values[row]:g} is not in 0 to {OLDEST:g} "
            f"({len(outside)} pictures); correct it or leave it empty"
        )
    train = labels.values[(catalogue.split == "train") & labels.known()]
    if len(train) == 0:
        raise ValueError(f"{catalogue.data}: no picture of the training partition has an age")
    details = {"train_median": float(np.median(train)), "train_mean": float(train.mean(dtype=np.float64))}
    return Targets((labels.values / SCALE).astype(np.float32), ("age",), details)


def age_head(channels: int, side: int, targets: Targets, config: RunConfig) -> nn.Module:
    """Return fully-connected layers and one number, which starts at the training partition's mean."""
    head = config.head
    start = targets.details["train_mean"] / SCALE
    return NumberHead(channels, side, hidden=head.hidden, dropout=head.dropout, start=start)


def euclidean_loss(targets: Targets, config: RunConfig) -> nn.Module:
    """Return the Euclidean loss."""
    return EuclideanLoss()


def age_figures(targets: Targets) -> nn.Module:
    """Return the error in years and the median's."""
    return AgeFigures(median=targets.details["train_median"], scale=SCALE)


def collect_age(outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return the predicted ages in years: (batch,)."""
    return {"years": outputs.float() * SCALE}


def report_age(evaluation: Evaluation) -> dict[str, Any]:
    """Return the errors of a partition, overall and by decade."""
    partition, collected = reported_partition(evaluation.collected)
    # In years as they were read: a hundredth of them times a hundred may fall into another decade.
    actual = evaluation.catalogue.subset(partition).labels["age"].values
    report = age_report(collected["years"].numpy(), actual, median=evaluation.targets.details["train_median"])
    return {
        "main": {"name": "mean error in years", "value": report["mae"]},
        "partition": partition,
        **report,
        "notes": list(evaluation.catalogue.notes),
    }


def describe(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    return with_notes(describe_age(report), report)


STAGE = Stage(
    name="age",
    product="net_2",
    after=("face",),
    catalogues=STAGE_DATA["age"],
    label="age",
    targets=age_targets,
    head=age_head,
    loss=euclidean_loss,
    metrics=age_figures,
    collect=collect_age,
    report=report_age,
    plot=plot_age,
    describe=describe,
)
