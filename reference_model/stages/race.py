"""Race (Net_3): the paper's white, black and yellow by softmax, or whatever classes a folder has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from reference_model.config import STAGE_DATA, RunConfig
from reference_model.data.catalogue import Catalogue
from reference_model.reports.classes import collect_classes, describe_classes, plot_classes
from reference_model.stages.classes import (
    check_class_counts,
    class_head,
    class_targets,
    report_classes,
    softmax_loss,
    with_notes,
)
from reference_model.stages.figures import ClassFigures
from reference_model.stages.stage import Stage, Targets


def races_of_folders(catalogue: Catalogue) -> Catalogue:
    """Take the classes of a data set of folders for races."""
    if "race" in catalogue.labels or "class" not in catalogue.labels:
        return catalogue
    return replace(catalogue, labels={"race": catalogue.labels["class"]})


def race_targets(catalogue: Catalogue, config: RunConfig) -> Targets:
    """Return the races."""
    return class_targets(catalogue, "race")


def race_figures(targets: Targets) -> nn.Module:
    """Return accuracy and balanced accuracy."""
    return ClassFigures(len(targets.names))


def describe(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    return with_notes(describe_classes(report), report)


STAGE = Stage(
    name="race",
    product="net_3",
    after=("face",),
    catalogues=STAGE_DATA["race"],
    label="race",
    adapt=races_of_folders,
    targets=race_targets,
    head=class_head,
    loss=softmax_loss,
    metrics=race_figures,
    collect=collect_classes,
    report=partial(report_classes, main="balanced_accuracy", title="balanced accuracy"),
    plot=plot_classes,
    describe=describe,
    check=check_class_counts,
)
