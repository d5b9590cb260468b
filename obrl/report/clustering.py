"""An order of the labels in which those that occur together stand side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


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
