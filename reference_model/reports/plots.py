"""The run's pictures: the relation as a heat map, and every attribute's accuracy beside the majority baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from obrl import MEASURES
from reference_model.reports.attributes import number_or_nan


def plot_relation(path: Path, relation: npt.NDArray[np.floating[Any]], names: Sequence[str], *, measure: str) -> None:
    """Write the relation as a heat map with the attributes' names.

    Args:
        path: A .png file.
        relation: (num_labels, num_labels), NaN where there is no evidence, which is left grey.
        names: Names of the attributes.
        measure: What the relation is measured by; decides the scale.
    """
    scale = MEASURES[measure]
    figure = Figure(figsize=(11, 10), layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor("0.8")
    centred = scale.low < 0 or scale.to_phi is not None  # the middle of the range says that labels are unrelated
    image = axes.imshow(relation, vmin=scale.low, vmax=scale.high, cmap="RdBu_r" if centred else "viridis")
    places = np.arange(len(names))
    axes.set_xticks(places, names, rotation=90, fontsize=7)
    axes.set_yticks(places, names, fontsize=7)
    axes.set_title(f"Relation of the attributes ({measure}); grey: no evidence")
    figure.colorbar(image, ax=axes, shrink=0.8)
    save_figure(figure, path)


def plot_accuracy(path: Path, report: Mapping[str, Any]) -> None:
    """Write every attribute's accuracy beside the majority baseline, ordered by group.

    Args:
        path: A .png file.
        report: A report as `reference_model.reports.attributes` makes it.
    """
    order = [name for group in report["groups"].values() for name in group["attributes"]]
    accuracy = [number_or_nan(report["attributes"][name]["accuracy"]) for name in order]
    majority = [number_or_nan(report["attributes"][name]["majority_accuracy"]) for name in order]
    figure = Figure(figsize=(9, 11), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(order))
    axes.barh(places, np.multiply(accuracy, 100), height=0.7, color="tab:blue", label="accuracy")
    axes.plot(np.multiply(majority, 100), places, "|", color="black", markersize=9, label="majority class")
    axes.set_yticks(places, order, fontsize=8)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("per cent right")
    axes.set_title(f"{report['data']}, {report['split']} partition, loss {report['loss']}")
    boundary = -0.5
    for group in list(report["groups"].values())[:-1]:
        boundary += len(group["attributes"])
        axes.axhline(boundary, color="0.8", linewidth=0.8)
    figure.legend(loc="outside lower center", ncols=2)
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a .png file, under another name first."""
    # The canvas is named, so that no display and no global state of pyplot is involved.
    FigureCanvasAgg(figure)
    unfinished = path.with_name(path.name + ".tmp")
    figure.savefig(unfinished, format="png", dpi=110)
    unfinished.replace(path)
