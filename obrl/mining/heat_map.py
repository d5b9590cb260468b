"""A picture of a relation: its matrix, with labels that resemble each other side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import MiningError
from obrl.report.clustering import clustered_order
from obrl.report.words import one_line

FloatArray = npt.NDArray[np.float64]

MOST_NAMES = 120
"""With more labels their names are left out, for they would overlap."""
LONGEST_NAME = 24


def draw_heat_map(path: str | os.PathLike[str], phi: FloatArray, names: Sequence[str]) -> None:
    """Write a PNG of a matrix of phi coefficients, in clustered order; undefined pairs are grey.

    Args:
        path: of the picture.
        phi: (num_labels, num_labels), NaN where undefined.
        names: one a label.

    Raises:
        MiningError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MiningError("--png needs Matplotlib: pip install matplotlib") from None
    order = clustered_order(phi)
    shows_names = len(names) <= MOST_NAMES
    inches = 3.5 + 0.17 * len(names) if shows_names else 12.0
    figure = Figure(figsize=(inches, inches), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor("0.85")
    image = axes.imshow(phi[np.ix_(order, order)], vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    axes.set_title("phi of each pair of labels")
    if shows_names:
        shown = [one_line(names[label], LONGEST_NAME) for label in order]
        axes.set_xticks(range(len(names)), shown, rotation=90, fontsize=7, parse_math=False)
        axes.set_yticks(range(len(names)), shown, fontsize=7, parse_math=False)
    else:
        axes.set_xlabel(f"{len(names)} labels, in clustered order")
    figure.colorbar(image, ax=axes, shrink=0.7)
    figure.savefig(path, format="png")
