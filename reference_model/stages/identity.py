"""Identity (Net_1): who is shown, by softmax and center loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from reference_model.config import STAGE_DATA, RunConfig
from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.data.sets.people import identity_parts
from reference_model.losses.center import CenterLoss
from reference_model.losses.forecast import forecast_memory, machine_memory
from reference_model.nets.heads import EmbeddingHead
from reference_model.reports.identity import collect_identity, describe_identity, identity_report, plot_identity
from reference_model.stages.classes import class_targets, with_notes
from reference_model.stages.figures import ClassFigures
from reference_model.stages.stage import Evaluation, Stage, Targets


def people_of_folders(catalogue: Catalogue) -> Catalogue:
    """Take the classes of a data set of folders for people, and divide the pictures as every set of people is."""
    classes = catalogue.labels.get("class")
    if "identity" in catalogue.labels or not isinstance(classes, ClassLabels):
        return catalogue
    present = np.unique(classes.values)
    labels, split = identity_parts(classes.values, [classes.names[number] for number in present.tolist()])
    return replace(catalogue, labels={"identity": labels}, split=split, person=classes.values)


def identity_targets(catalogue: Catalogue, config: RunConfig) -> Targets:
    """Return the training people's numbers; other people have -1.

    Raises:
        ValueError: If there are fewer than two training people.
    """
    return class_targets(catalogue, "identity")


def identity_head(channels: int, side: int, targets: Targets, config: RunConfig) -> nn.Module:
    """Return fully-connected layers, the embedding, and one output a person without bias."""
    head = config.head
    return EmbeddingHead(
        channels, side, len(targets.names), embedding=head.embedding, hidden=head.hidden, dropout=head.dropout
    )


def center_loss(targets: Targets, config: RunConfig) -> nn.Module:
    """Return softmax with center loss."""
    head = config.head
    return CenterLoss(len(targets.names), head.embedding, weight=head.center_weight, rate=head.center_rate)


def identity_figures(targets: Targets) -> nn.Module:
    """Return how many people are recognised."""
    return ClassFigures(len(targets.names))


def check_people(targets: Targets, config: RunConfig) -> tuple[str, ...]:
    """Return the forecast of memory and ln C.

    Raises:
        ValueError: Where the class layer does not fit into memory.
    """
    number = len(targets.names)
    return (
        _forecast(number, config),
        f"a net that has learnt nothing has a cross-entropy of ln {number} = {math.log(number):.3f}",
    )


def report(evaluation: Evaluation) -> dict[str, Any]:
    """Return recognition and verification."""
    return {**identity_report(evaluation), "notes": list(evaluation.catalogue.notes)}


def describe(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    return with_notes(describe_identity(report), report)


def _forecast(number: int, config: RunConfig) -> str:
    memory = forecast_memory(
        number, config.head.embedding, batch_size=config.train.batch_size, optimizer=config.optim.kind
    )
    device = config.train.device
    cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    memory.check(machine_memory("cuda" if cuda else "cpu"))
    return memory.describe()


STAGE = Stage(
    name="identity",
    product="net_1",
    after=("face",),
    catalogues=STAGE_DATA["identity"],
    label="identity",
    adapt=people_of_folders,
    targets=identity_targets,
    head=identity_head,
    loss=center_loss,
    metrics=identity_figures,
    collect=collect_identity,
    report=report,
    plot=plot_identity,
    describe=describe,
    partitions=("valid", "test"),
    check=check_people,
)
