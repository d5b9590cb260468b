"""The report of the identity stage: recognition of the people trained on, verification of people never seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from reference_model.reports.plots import save_figure
from reference_model.reports.text import number, percent, reported_partition, table
from reference_model.reports.verification import acceptance_rate, area_under_curve, cosines, verification_pairs
from reference_model.stages.stage import Evaluation

FALSE_RATES = {"1%": 0.01, "0.1%": 0.001}
BINS = 50


def collect_identity(outputs: tuple[Tensor, Tensor], targets: Tensor) -> dict[str, Tensor]:
    """Return what the report needs of a batch: ``predicted`` (batch,) int64 and ``embedding`` (batch, embedding).

    Args:
        outputs: Logits (batch, C) and embeddings.
        targets: Not read.
    """
    logits, embedding = outputs
    return {"predicted": logits.argmax(dim=1), "embedding": embedding}


def identity_report(evaluation: Evaluation) -> dict[str, Any]:
    """Return recognition on the pictures of known people, and verification on people who were not trained on.

    Recognition is measured on the validation partition (pictures of the training people that were held out),
    verification on the test partition; where one was not evaluated, on the first that was.
    """
    verified, embeddings = reported_partition(evaluation.collected)
    recognised, predicted = reported_partition(evaluation.collected, "valid")
    part = evaluation.catalogue.subset(verified)
    person = np.full(len(part), -1) if part.person is None else part.person
    classes = len(evaluation.targets.names)
    labels = evaluation.targets.values[evaluation.catalogue.split == recognised]
    verification = verification_report(embeddings["embedding"], person, seed=evaluation.config.seed)
    return {
        "main": {"name": "verification AUC", "value": verification["auc"]},
        "partition": verified,
        "samples": len(part),
        "uniform_loss": math.log(classes),
        "recognition": {
            "partition": recognised,
            **recognition_report(predicted["predicted"], torch.from_numpy(labels), classes),
        },
        "verification": {"partition": verified, **verification},
        "center_loss": {
            "weight": evaluation.config.head.center_weight,
            "rate": evaluation.config.head.center_rate,
            **_center_figures(evaluation),
        },
    }


def recognition_report(predicted: Tensor, labels: Tensor, classes: int) -> dict[str, Any]:
    """Return how many held-out pictures of known people were recognised.

    Args:
        predicted: (N,) the likeliest of the people.
        labels: (N,) who it is, -1 for others, who count nowhere.
        classes: Number of people that the net tells apart.
    """
    known = labels >= 0
    samples = int(known.sum())
    right = int((predicted[known] == labels[known]).sum())
    return {
        "samples": samples,
        "classes": classes,
        "top_1": right / samples if samples else float("nan"),
        "chance": 1 / classes,
    }


def verification_report(embeddings: Tensor, person: np.ndarray[Any, Any], *, seed: int) -> dict[str, Any]:
    """Return AUC and true acceptance rates of pairs by cosine, and what a plot needs.

    Args:
        embeddings: (N, embedding).
        person: (N,) who is shown, -1 where not known.
        seed: Of the choice of pairs of different people.
    """
    same_pairs, different_pairs = verification_pairs(person, seed=seed)
    same, different = cosines(embeddings, same_pairs), cosines(embeddings, different_pairs)
    edges = np.linspace(-1, 1, BINS + 1)
    return {
        "people": len(np.unique(person[person >= 0])),
        "same_pairs": len(same),
        "different_pairs": len(different),
        "auc": area_under_curve(same, different),
        "tar_at_far": {name: acceptance_rate(same, different, false_rate=rate) for name, rate in FALSE_RATES.items()},
        "mean_cosine": {"same": _mean(same), "different": _mean(different)},
        "histogram": {
            "edges": edges.tolist(),
            "same": np.histogram(same.clamp(-1, 1).numpy(), edges)[0].tolist(),
            "different": np.histogram(different.clamp(-1, 1).numpy(), edges)[0].tolist(),
        },
    }


def describe_identity(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    recognition, verification = report["recognition"], report["verification"]
    rows = [
        [f"recognised among {recognition['classes']} people", percent(recognition["top_1"])],
        ["chance", percent(recognition["chance"])],
        ["verification AUC", number(verification["auc"], 4)],
        *(
            [f"accepted at {rate} falsely accepted", percent(value)]
            for rate, value in verification["tar_at_far"].items()
        ),
    ]
    return "\n".join(
        [
            f"identity: {recognition['samples']} pictures of the {recognition['partition']} partition were looked up "
            f"among the people trained on; {verification['same_pairs']} pairs of one person and "
            f"{verification['different_pairs']} pairs of different ones compared, of {verification['people']} people "
            f"in the {verification['partition']} partition",
            "",
            table(["figure", "value"], rows),
            "",
            f"A net that has learnt nothing has a cross-entropy of ln {recognition['classes']} = "
            f"{report['uniform_loss']:.3f}. Center loss: weight {report['center_loss']['weight']:g}, rate "
            f"{report['center_loss']['rate']:g}, {report['center_loss']['centers_moved']} of "
            f"{recognition['classes']} centres moved.",
        ]
    )


def plot_identity(path: Path, report: Mapping[str, Any]) -> None:
    """Write histograms of the cosines of pairs of one person and of different people.

    Args:
        path: A .png file.
        report: A report of `identity_report`.
    """
    verification = report["verification"]
    histogram = verification["histogram"]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for kind, colour in (("different", "tab:orange"), ("same", "tab:blue")):
        counts = np.asarray(histogram[kind], dtype=np.float64)
        axes.stairs(counts / max(counts.sum(), 1), histogram["edges"], fill=True, alpha=0.6, color=colour, label=kind)
    axes.set_xlabel("cosine of two embeddings")
    axes.set_ylabel("share of the pairs")
    axes.set_title(
        f"Pairs of one person and of different people, {verification['people']} people\n"
        f"AUC {number(verification['auc'], 3)}, recognition {percent(report['recognition']['top_1'])}"
    )
    axes.legend()
    save_figure(figure, path)


def _center_figures(evaluation: Evaluation) -> dict[str, Any]:
    centers = evaluation.criterion.get_buffer("centers")
    # They start at zero, so one that is still there was never moved.
    return {"centers_moved": int(centers.ne(0).any(dim=1).sum()), "mean_norm": float(centers.norm(dim=1).mean())}


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else float("nan")
