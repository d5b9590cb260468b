"""The report of a stage that tells classes apart: how often right, by class, and which classes are confused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from reference_model.reports.plots import save_figure
from reference_model.reports.text import heading, number, percent, table

DENSE_CLASSES = 40
"""With more classes than this the report lists the most frequent confusions and not the whole matrix."""

LABELLED_CLASSES = 12
"""With more classes than this the matrix stands in the picture without numbers, and not in the text."""

SHOWN = 20


def collect_classes(outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return what a report needs of a batch.

    Args:
        outputs: Logits (batch, C).
        targets: (batch,) classes, -1 where missing.

    Returns:
        ``predicted`` (batch,) int64, and ``in_top_5`` (batch,) bool: whether the class is among the five likeliest.
    """
    best = outputs.topk(min(5, outputs.shape[1]), dim=1).indices
    return {"predicted": best[:, 0], "in_top_5": (best == targets.unsqueeze(1)).any(dim=1)}


def class_report(
    collected: Mapping[str, Tensor], actual: Tensor, names: Sequence[str], train_counts: Sequence[int]
) -> dict[str, Any]:
    """Return the figures of a partition.

    Args:
        collected: What `collect_classes` returned for N pictures.
        actual: (N,) their classes; rows with -1 count nowhere.
        names: The C classes' names.
        train_counts: Pictures of every class in the training partition.

    Returns:
        top_1, top_5 (NaN with five classes or fewer), balanced_accuracy (the mean of the recalls of the classes that
        have pictures), majority (always saying the class that is most frequent in the training partition), chance, and
        recall and precision of every class; with few classes the confusion matrix (rows are the actual classes).
    """
    known = actual >= 0
    actual, predicted = actual[known], collected["predicted"][known]
    size, samples = len(names), int(known.sum())
    right = torch.bincount(actual[predicted == actual], minlength=size).double()
    of_class = torch.bincount(actual, minlength=size).double()
    said = torch.bincount(predicted, minlength=size).double()
    recall, precision = right / of_class, right / said  # 0 / 0 is NaN: undefined
    majority = int(np.argmax(np.asarray(train_counts)))
    report: dict[str, Any] = {
        "samples": samples,
        "classes": size,
        "top_1": _ratio(float(right.sum()), samples),
        "top_5": _ratio(float(collected["in_top_5"][known].sum()), samples) if size > 5 else float("nan"),
        "balanced_accuracy": float(recall.nanmean()),
        "majority": {"class": names[majority], "accuracy": _ratio(float(of_class[majority]), samples)},
        "chance": 1 / size,
        "by_class": {
            name: {
                "pictures": int(of_class[column]),
                "train_pictures": int(train_counts[column]),
                "recall": float(recall[column]),
                "precision": float(precision[column]),
            }
            for column, name in enumerate(names)
        },
        "most_confused": _most_confused(actual, predicted, names),
    }
    if size <= DENSE_CLASSES:
        report["confusion"] = multiclass_confusion_matrix(predicted, actual, num_classes=size).tolist()
    return report


def describe_classes(report: Mapping[str, Any]) -> str:
    """Return a report of `class_report` as text: the figures, then the confusion matrix or the worst classes."""
    lines = [
        heading(report),
        "",
        table(
            ["figure", "value"],
            [
                ["top-1", percent(report["top_1"])],
                *([["top-5", percent(report["top_5"])]] if report["classes"] > 5 else []),
                ["balanced accuracy", percent(report["balanced_accuracy"])],
                [f"always {report['majority']['class']}", percent(report["majority"]["accuracy"])],
                [f"chance among {report['classes']} classes", percent(report["chance"])],
            ],
        ),
        "",
    ]
    names = list(report["by_class"])
    if "confusion" in report and len(names) <= LABELLED_CLASSES:
        lines += ["Rows are the actual classes, columns the predicted ones.", ""]
        rows = zip(names, report["confusion"], strict=True)
        lines.append(
            table(
                ["actual", *names, "recall"],
                [[name, *map(str, row), percent(report["by_class"][name]["recall"])] for name, row in rows],
            )
        )
    else:
        defined = [name for name in names if report["by_class"][name]["pictures"]]
        worst = sorted(defined, key=lambda name: float(report["by_class"][name]["recall"]))[:10]
        figures = [report["by_class"][name] for name in worst]
        lines += ["The classes that were recognised least often:", ""]
        lines.append(
            table(
                ["class", "pictures", "recall"],
                [[name, str(row["pictures"]), number(row["recall"])] for name, row in zip(worst, figures, strict=True)],
            )
        )
    return "\n".join(lines)


def plot_classes(path: Path, report: Mapping[str, Any]) -> None:
    """Write the confusion matrix, as shares of the actual class; with many classes their recalls in rising order.

    Args:
        path: A .png file.
        report: A report of `class_report`.
    """
    names = list(report["by_class"])
    side = min(4 + 0.25 * len(names), 13) if "confusion" in report else 7
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    if "confusion" in report:
        counts = np.asarray(report["confusion"], dtype=np.float64)
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
        axes.set_facecolor("0.8")
        image = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis")
        places = np.arange(len(names))
        if len(names) <= LABELLED_CLASSES:
            for row, column in np.ndindex(counts.shape):
                dark = shares[row, column] < 0.5  # the lower half of the colours
                axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", color="white" if dark else "black")
        axes.set_xticks(places, names, rotation=90)
        axes.set_yticks(places, names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
        figure.colorbar(image, ax=axes, shrink=0.8, label="share of the actual class")
    else:
        recalls = [float(row["recall"]) for row in report["by_class"].values() if row["pictures"]]
        axes.plot(np.sort(np.multiply(recalls, 100)))
        axes.axhline(100 * report["chance"], color="0.5", linestyle="--", label="chance")
        axes.set_xlabel("classes, from the least to the most often recognised")
        axes.set_ylabel("per cent right")
        axes.set_ylim(0, 100)
        axes.legend()
    axes.set_title(f"{heading(report)}\ntop-1 {percent(report['top_1'])}")
    save_figure(figure, path)


def _most_confused(actual: Tensor, predicted: Tensor, names: Sequence[str]) -> list[dict[str, Any]]:
    wrong = actual != predicted
    codes, counts = (actual[wrong] * len(names) + predicted[wrong]).unique(return_counts=True)
    order = torch.argsort(counts, descending=True, stable=True)[:SHOWN]
    return [
        {"actual": names[code // len(names)], "predicted": names[code % len(names)], "pictures": count}
        for code, count in zip(codes[order].tolist(), counts[order].tolist(), strict=True)
    ]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
