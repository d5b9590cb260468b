"""A picture of a relation: its matrix, with labels that resemble each other side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import MiningError

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
        shown = [_plain(names[label]) for label in order]
        axes.set_xticks(range(len(names)), shown, rotation=90, fontsize=7, parse_math=False)
        axes.set_yticks(range(len(names)), shown, fontsize=7, parse_math=False)
    else:
        axes.set_xlabel(f"{len(names)} labels, in clustered order")
    figure.colorbar(image, ax=axes, shrink=0.7)
    figure.savefig(path, format="png")


def _plain(name: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 3]}..."


def clustered_order(phi: FloatArray) -> npt.NDArray[np.intp]:
    """An order of the labels in which those that occur together stand together.

    Average linkage of the distances 1 - phi by chains of nearest neighbours, O(num_labels^2); where two clusters meet,
    each is turned so that the most related of their ends touch.

    Args:
        phi: (num_labels, num_labels), symmetric; NaN counts as 0.

    Returns:
        Each label once, (num_labels,).

    Example:
        >>> phi = np.array([[1, -0.5, 0.9, -0.4], [-0.5, 1, -0.4, 0.8], [0.9, -0.4, 1, -0.6], [-0.4, 0.8, -0.6, 1]])
        >>> clustered_order(phi).tolist()
        [0, 2, 1, 3]

    Source: Murtagh, A survey of recent advances in hierarchical clustering algorithms, 1983, section 4.
    """
    similarity = np.nan_to_num(phi)
    distance = 1.0 - similarity
    np.fill_diagonal(distance, np.inf)
    members = {label: [label] for label in range(len(phi))}
    chain: list[int] = []
    while len(members) > 1:
        if not chain:
            chain.append(min(members))
        nearest = _nearest(distance, chain)
        if len(chain) > 1 and nearest == chain[-2]:
            _merge(distance, members, similarity, chain.pop(), chain.pop())
        else:
            chain.append(nearest)
    return np.array(next(iter(members.values()), []), np.intp)


def _nearest(distance: FloatArray, chain: list[int]) -> int:
    """The cluster nearest to the end of the chain; of equally near ones that before it, so that the chain ends."""
    row = distance[chain[-1]]
    nearest = int(row.argmin())
    return chain[-2] if len(chain) > 1 and row[chain[-2]] <= row[nearest] else nearest


def _merge(
    distance: FloatArray, members: dict[int, list[int]], similarity: FloatArray, first: int, second: int
) -> None:
    """Join two clusters in place, under the smaller number."""
    first, second = min(first, second), max(first, second)
    a, b = members[first], members.pop(second)
    mean = (len(a) * distance[first] + len(b) * distance[second]) / (len(a) + len(b))
    distance[first], distance[:, first] = mean, mean
    distance[first, first] = np.inf
    distance[second], distance[:, second] = np.inf, np.inf
    touching = [similarity[x, y] for x, y in ((a[-1], b[0]), (a[-1], b[-1]), (a[0], b[0]), (a[0], b[-1]))]
    turn = int(np.argmax(touching))
    members[first] = (a if turn < 2 else a[::-1]) + (b if turn % 2 == 0 else b[::-1])
