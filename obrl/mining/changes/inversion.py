"""Labels whose meaning was turned round: all their pairs change sign."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

FEWEST_PAIRS = 2
LEAST_TURNED_SHARE = 0.8
"""A label counts as turned round only if at least this share of its clear pairs with labels that were not turned round
changed sign."""


class Inversion(NamedTuple):
    """A label that relates to the others the other way round.

    Attributes:
        label: its index.
        pairs: how many clear pairs it has with labels that were not turned round.
        turned: how many of those changed sign; at least 80 %.
    """

    label: int
    pairs: int
    turned: int


def inversions(agreement: FloatArray) -> tuple[Inversion, ...]:
    """Find the labels that explain why pairs changed sign.

    Labels are turned round one at a time, always the one that contradicts the others most, as long as that makes more
    pairs agree. So the pair of two labels that were both turned round, whose sign stays, misleads nobody; and as few
    labels are named as possible.

    Args:
        agreement: (num_labels, num_labels), symmetric: above 0 where a pair has the same sign on both sides, below 0
            where it has not, larger where that is surer, and 0 where its sign is not clear on both.

    Returns:
        The labels in order, each with at least two clear pairs, of which at least 80 % changed sign.

    Example:
        >>> agreement = np.array([[0, 2, -3, 4], [2, 0, -1, 1], [-3, -1, 0, -2], [4, 1, -2, 0.0]])
        >>> inversions(agreement)
        (Inversion(label=2, pairs=3, turned=3),)
    """
    weights = np.array(agreement, np.float64)
    np.fill_diagonal(weights, 0)
    signs = np.ones(len(weights))
    for _ in range(len(weights)):
        gain = signs * (weights @ signs)
        worst = int(gain.argmin())
        if gain[worst] >= 0:
            break
        signs[worst] = -signs[worst]
    upright: npt.NDArray[np.bool_] = signs > 0
    named = []
    for label in np.flatnonzero(~upright).tolist():
        row = weights[label, upright]
        pairs, turned = int((row != 0).sum()), int((row < 0).sum())
        if pairs >= FEWEST_PAIRS and turned >= LEAST_TURNED_SHARE * pairs:
            named.append(Inversion(label, pairs, turned))
    return tuple(named)
