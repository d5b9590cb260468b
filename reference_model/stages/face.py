"""Face or not (Net_0): faces of one data set against pictures of another, as many of each in a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reference_model.config import STAGE_DATA, RunConfig
from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.data.combined import CombinedPictures, TilePictures
from reference_model.reports.faces import describe_faces, face_report, face_scores, plot_faces
from reference_model.reports.text import reported_partition
from reference_model.stages.classes import class_head, class_targets, softmax_loss
from reference_model.stages.figures import FaceFigures
from reference_model.stages.stage import Evaluation, Stage, Targets

NAMES = ("non-face", "face")
TILES_NOTE = (
    "The pictures without a face are the faces' own tiles in another order, a stand-in for scenes: what is measured "
    "is whether a picture is put together as a face is."
)


def combine(faces: Catalogue, scenes: Catalogue | None, config: RunConfig) -> Catalogue:
    """Return one catalogue of faces (class 1) and pictures without a face (class 0), each in its own partition.

    Args:
        faces: Every picture counts as a face.
        scenes: Every picture counts as none; None makes them from the faces' shuffled tiles.
        config: The seed of the tiles.
    """
    tiles = scenes is None
    if scenes is None:
        scenes = Catalogue(faces.data, TilePictures(faces.pictures, config.seed), {}, faces.split, notes=(TILES_NOTE,))
    counts = (len(faces), len(scenes))
    classes = scenes.labels.get("class")
    if not isinstance(classes, ClassLabels):
        classes = ClassLabels((), np.full(len(scenes), -1, dtype=np.int64))
    unknown = np.full(len(faces), -1, dtype=np.int64)
    return Catalogue(
        data=f"{faces.data} and {'its shuffled tiles' if tiles else scenes.data}",
        pictures=CombinedPictures(
            (("faces", faces.pictures), ("tiles" if tiles else "scenes", scenes.pictures)),
            part=np.repeat(np.arange(2, dtype=np.int64), counts),
            row=np.concatenate([np.arange(count, dtype=np.int64) for count in counts]),
        ),
        labels={
            "class": ClassLabels(NAMES, np.repeat(np.array([1, 0], dtype=np.int64), counts)),
            "scene": ClassLabels(classes.names, np.concatenate([unknown, classes.values])),
        },
        split=np.concatenate([faces.split, scenes.split]),
        person=None if faces.person is None else np.concatenate([faces.person, np.full(len(scenes), -1)]),
        notes=tuple(dict.fromkeys([*faces.notes, *scenes.notes])),
    )


def face_targets(catalogue: Catalogue, config: RunConfig) -> Targets:
    """Return 1 for faces and 0 for others.

    Raises:
        ValueError: If the training partition has pictures of one kind only.
    """
    return class_targets(catalogue, "class")


def face_figures(targets: Targets) -> nn.Module:
    """Return the area under the curve and the accuracy."""
    return FaceFigures()


def collect(outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return ``score`` (batch,): by how much a picture looks like a face."""
    return {"score": face_scores(outputs)}


def report(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of a partition and the pictures that deceive the net."""
    partition, collected = reported_partition(evaluation.collected)
    part = evaluation.catalogue.subset(partition)
    actual = torch.from_numpy(evaluation.targets.values[evaluation.catalogue.split == partition])
    scenes = part.labels.get("scene")
    figures = face_report(
        collected["score"],
        actual,
        [part.pictures.name(row) for row in range(len(part))],
        scenes.values if isinstance(scenes, ClassLabels) else np.full(len(part), -1, dtype=np.int64),
        scenes.names if isinstance(scenes, ClassLabels) else (),
    )
    return {
        "main": {"name": "face AUC", "value": figures["auc"]},
        "partition": partition,
        **figures,
        "notes": list(evaluation.catalogue.notes),
    }


def describe(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    return describe_faces(report)


STAGE = Stage(
    name="face",
    product="net_0",
    after=("pretrain",),
    catalogues=STAGE_DATA["face"],
    label="class",
    targets=face_targets,
    combine=combine,
    head=class_head,
    loss=softmax_loss,
    metrics=face_figures,
    collect=collect,
    report=report,
    plot=plot_faces,
    describe=describe,
    balanced=True,
)
