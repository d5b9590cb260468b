"""The report of the face stage: how well faces are told from other pictures, and which of these deceive the net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from reference_model.reports.plots import save_figure
from reference_model.reports.text import heading, number, percent, table
from reference_model.reports.verification import area_under_curve

SHOWN = 20
BINS = 50


def face_scores(logits: Tensor) -> Tensor:
    """Return by how much a picture looks like a face: the difference of the logits of face and non-face, (batch,)."""
    return logits[:, 1] - logits[:, 0]


def face_report(
    scores: Tensor,
    actual: Tensor,
    names: Sequence[str],
    scene: npt.NDArray[np.int64],
    scene_names: Sequence[str],
) -> dict[str, Any]:
    """Return the figures of a partition and its worst pictures.

    Args:
        scores: (N,) of `face_scores`; above 0 a picture counts as a face.
        actual: (N,) 1 for faces, 0 for others; rows with -1 count nowhere.
        names: The N pictures' names.
        scene: (N,) the class of scene of pictures that are no faces, -1 where there is none.
        scene_names: The classes' names.
    """
    faces, others = np.flatnonzero(actual.numpy() == 1), np.flatnonzero(actual.numpy() == 0)
    score = scores.double().numpy()
    positive, negative = score[faces], score[others]
    recall, specificity = _mean(positive > 0), _mean(negative <= 0)
    edges = np.histogram_bin_edges(np.concatenate([positive, negative]), bins=BINS)
    return {
        "samples": len(faces) + len(others),
        "faces": len(faces),
        "non_faces": len(others),
        "auc": area_under_curve(torch.from_numpy(positive), torch.from_numpy(negative)),
        "accuracy": _mean(np.concatenate([positive > 0, negative <= 0])),
        "balanced_accuracy": (recall + specificity) / 2,
        "faces_recognised": recall,
        "non_faces_recognised": specificity,
        "worst_scenes": _worst(others[np.argsort(-negative, kind="stable")][:SHOWN], score, names, scene, scene_names),
        "worst_faces": _worst(faces[np.argsort(positive, kind="stable")][:SHOWN], score, names, scene, scene_names),
        "worst_classes": _worst_classes(score[others] > 0, scene[others], scene_names),
        "histogram": {
            "edges": edges.tolist(),
            "face": np.histogram(positive, edges)[0].tolist(),
            "non-face": np.histogram(negative, edges)[0].tolist(),
        },
    }


def describe_faces(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    figures = [
        ["AUC", number(report["auc"], 4)],
        ["accuracy", percent(report["accuracy"])],
        ["balanced accuracy", percent(report["balanced_accuracy"])],
        [f"faces recognised, of {report['faces']}", percent(report["faces_recognised"])],
        [f"non-faces recognised, of {report['non_faces']}", percent(report["non_faces_recognised"])],
    ]
    lines = [heading(report), "", table(["figure", "value"], figures), ""]
    if report["worst_classes"]:
        lines += ["Scenes that are most often taken for faces:", ""]
        rows = [
            [row["class"], str(row["pictures"]), percent(row["false_positive_rate"])]
            for row in report["worst_classes"][:10]
        ]
        lines += [table(["scene", "pictures", "taken for faces"], rows), ""]
    lines += ["Pictures without a face that look most like one (a score above 0 is a face):", ""]
    lines.append(
        table(["picture", "score"], [[row["picture"], number(row["score"])] for row in report["worst_scenes"][:10]])
    )
    return "\n".join([*lines, *(["", *report["notes"]] if report.get("notes") else [])])


def plot_faces(path: Path, report: Mapping[str, Any]) -> None:
    """Write histograms of the scores of faces and of other pictures.

    Args:
        path: A .png file.
        report: A report of `face_report`.
    """
    histogram = report["histogram"]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for kind, colour in (("non-face", "tab:orange"), ("face", "tab:blue")):
        counts = np.asarray(histogram[kind], dtype=np.float64)
        axes.stairs(counts / max(counts.sum(), 1), histogram["edges"], fill=True, alpha=0.6, color=colour, label=kind)
    axes.axvline(0, color="0.4", linestyle="--")
    axes.set_xlabel("score: logit of face minus logit of non-face")
    axes.set_ylabel("share of the pictures")
    axes.set_title(f"{heading(report)}\nAUC {number(report['auc'], 4)}")
    axes.legend()
    save_figure(figure, path)


def _worst(
    rows: npt.NDArray[np.integer],
    score: npt.NDArray[np.float64],
    names: Sequence[str],
    scene: npt.NDArray[np.int64],
    scene_names: Sequence[str],
) -> list[dict[str, Any]]:
    return [
        {
            "picture": names[row],
            "class": scene_names[scene[row]] if scene[row] >= 0 else None,
            "score": float(score[row]),
        }
        for row in rows.tolist()
    ]


def _worst_classes(
    called_face: npt.NDArray[np.bool_], scene: npt.NDArray[np.int64], scene_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the classes with the highest false-positive rate; those with none are left out."""
    known = scene >= 0
    pictures = np.bincount(scene[known], minlength=len(scene_names))
    wrong = np.bincount(scene[known & called_face], minlength=len(scene_names))
    classes = np.flatnonzero(wrong)
    order = classes[np.lexsort((-wrong[classes], -(wrong[classes] / pictures[classes])))]
    return [
        {
            "class": scene_names[column],
            "pictures": int(pictures[column]),
            "taken_for_faces": int(wrong[column]),
            "false_positive_rate": float(wrong[column] / pictures[column]),
        }
        for column in order[:SHOWN].tolist()
    ]


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
