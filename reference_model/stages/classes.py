"""What the stages share that tell classes apart by softmax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from reference_model.config import RunConfig
from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.losses.plain import SoftmaxLoss
from reference_model.nets.heads import ClassHead
from reference_model.reports.classes import class_report
from reference_model.reports.text import reported_partition
from reference_model.stages.stage import Evaluation, Targets


def class_labels(catalogue: Catalogue, label: str) -> ClassLabels:
    """Return the labels called ``label``, which must be classes.

    Raises:
        ValueError: If there are none, or they are of another kind.
    """
    labels = catalogue.labels.get(label)
    if not isinstance(labels, ClassLabels):
        offered = ", ".join(catalogue.labels) or "nothing"
        raise ValueError(f"{catalogue.data} has no classes of the kind {label}; it is labelled with {offered}")
    return labels


def class_targets(catalogue: Catalogue, label: str) -> Targets:
    """Return classes as targets; the details hold the number of training pictures of every class.

    Raises:
        ValueError: If fewer than two classes have training pictures.
    """
    labels = class_labels(catalogue, label)
    counts = _train_counts(catalogue, labels.values, len(labels.names))
    if (counts > 0).sum() < 2:
        raise ValueError(
            f"{catalogue.data}: a net needs training pictures of two classes or more, and there are "
            f"{', '.join(f'{count} of {name}' for name, count in zip(labels.names, counts, strict=True) if count)}"
        )
    return Targets(labels.values, labels.names, {"train_counts": counts.tolist()})


def class_head(channels: int, side: int, targets: Targets, config: RunConfig) -> nn.Module:
    """Return fully-connected layers and one output a class."""
    head = config.head
    return ClassHead(channels, side, len(targets.names), hidden=head.hidden, dropout=head.dropout)


def softmax_loss(targets: Targets, config: RunConfig) -> nn.Module:
    """Return softmax with cross-entropy."""
    return SoftmaxLoss()


def check_class_counts(targets: Targets, config: RunConfig) -> tuple[str, ...]:
    """Return a sentence on the classes without a training picture, which cannot be learnt."""
    empty = [name for name, count in zip(targets.names, targets.details["train_counts"], strict=True) if not count]
    if not empty:
        return ()
    names = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
    return (f"{len(empty)} of {len(targets.names)} classes have no training picture and cannot be learnt: {names}",)


def report_classes(evaluation: Evaluation, *, main: str, title: str) -> dict[str, Any]:
    """Return the report of a partition.

    Args:
        evaluation: What was evaluated.
        main: The figure of the summary, a key of `class_report`.
        title: Its name in words.
    """
    partition, collected = reported_partition(evaluation.collected)
    targets = evaluation.targets
    actual = torch.from_numpy(targets.values[evaluation.catalogue.split == partition])
    report = class_report(collected, actual, targets.names, targets.details["train_counts"])
    return {
        "main": {"name": title, "value": report[main]},
        "partition": partition,
        **report,
        "notes": list(evaluation.catalogue.notes),
    }


def _train_counts(catalogue: Catalogue, values: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    train = values[catalogue.split == "train"]
    return np.bincount(train[train >= 0], minlength=size)


def with_notes(text: str, report: Mapping[str, Any]) -> str:
    """Return a report's text followed by what the catalogue notes on its labels."""
    return "\n".join([text, *(["", *report["notes"]] if report.get("notes") else [])])
