"""Generic pre-training: classes of objects by softmax, so that all later stages start from its convolutions."""

from __future__ import annotations

from collections.abc import Mapping
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


def object_targets(catalogue: Catalogue, config: RunConfig) -> Targets:
    """Return the classes of the folders."""
    return class_targets(catalogue, "class")


def object_figures(targets: Targets) -> nn.Module:
    """Return top-1 and top-5."""
    return ClassFigures(len(targets.names), tops=(1, 5))


def describe(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    return with_notes(describe_classes(report), report)


STAGE = Stage(
    name="pretrain",
    product="pretrained",
    after=(),
    catalogues=STAGE_DATA["pretrain"],
    label="class",
    targets=object_targets,
    head=class_head,
    loss=softmax_loss,
    metrics=object_figures,
    collect=collect_classes,
    report=partial(report_classes, main="top_1", title="top-1"),
    plot=plot_classes,
    describe=describe,
    check=check_class_counts,
)
