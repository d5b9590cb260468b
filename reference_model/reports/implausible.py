"""Pairs of values that the training labels all but exclude, such as a goatee on a face that is not male."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

MIN_EXPECTED = 20
"""A pair of values that independent labels would hold less often than this says nothing by its absence."""

MAX_SHARE = 0.1
"""A pair of values is implausible where its count is at most this share of the expected one."""


class ImplausiblePair(NamedTuple):
    """Two values that hardly ever occur together; the first one is 1.

    Attributes:
        first: Column of the attribute that is present.
        second: Column of the other attribute.
        second_value: Its value, 1 or 0.
        expected: How many training pictures would have both values if the two attributes were independent.
        observed: How many have.
    """

    first: int
    second: int
    second_value: int
    expected: float
    observed: int

    def describe(self, names: Sequence[str]) -> str:
        """Return the pair in words.

        Example:
            >>> ImplausiblePair(0, 1, 0, 31.5, 1).describe(["Goatee", "Male"])
            'Goatee without Male'
        """
        return f"{names[self.first]} {'with' if self.second_value else 'without'} {names[self.second]}"


def implausible_pairs(targets: npt.ArrayLike) -> tuple[ImplausiblePair, ...]:
    """Return the pairs of values that labels all but exclude.

    Candidates are (i present, j present) and (i present, j absent). With n pictures that have both labels, of which
    n_i have the first value and n_j the second, n_i n_j / n are expected to have both. A pair is implausible where that
    is at least 20 and the number observed is at most a tenth of it.

    Args:
        targets: (N, M) labels in [0, 1], NaN where missing; 1/2 counts as present.

    Returns:
        The pairs, the largest expected count first; (i present, j present) once, with i before j.

    Example:
        >>> labels = np.repeat([[1, 1], [0, 1], [0, 0]], [100, 50, 50], axis=0)  # nobody has the first alone
        >>> implausible_pairs(labels)
        (ImplausiblePair(first=0, second=1, second_value=0, expected=25.0, observed=0),)
    """
    labels = np.asarray(targets, dtype=np.float64)
    present, absent = (labels >= 0.5).astype(np.float64), (labels < 0.5).astype(np.float64)
    known = present + absent
    both_known = known.T @ known
    with_first = present.T @ known
    pairs = []
    for value, second in ((1, present), (0, absent)):
        observed = present.T @ second
        with np.errstate(invalid="ignore"):
            expected = with_first * (known.T @ second) / both_known
        excluded = (expected >= MIN_EXPECTED) & (observed <= MAX_SHARE * expected)
        np.fill_diagonal(excluded, val=False)
        if value == 1:
            excluded = np.triu(excluded)
        pairs += [
            ImplausiblePair(int(i), int(j), value, float(expected[i, j]), int(observed[i, j]))
            for i, j in np.argwhere(excluded)
        ]
    return tuple(sorted(pairs, key=lambda pair: (-pair.expected, pair[:3])))


def flag_implausible(predicted: npt.ArrayLike, pairs: Sequence[ImplausiblePair]) -> npt.NDArray[np.bool_]:
    """Return which pictures have which pair of values.

    Args:
        predicted: (N, M) values in [0, 1], predictions or labels, NaN where missing; 1/2 counts as present.
        pairs: The P pairs.

    Returns:
        (N, P) bool.
    """
    values = np.asarray(predicted, dtype=np.float64)
    present, absent = values >= 0.5, values < 0.5
    flags = np.zeros((len(values), len(pairs)), dtype=bool)
    for column, pair in enumerate(pairs):
        flags[:, column] = present[:, pair.first] & (present if pair.second_value else absent)[:, pair.second]
    return flags


def implausible_rate(predicted: npt.ArrayLike, pairs: Sequence[ImplausiblePair]) -> float:
    """Return the share of pictures with at least one of the pairs, NaN without pictures.

    Args:
        predicted: (N, M) values in [0, 1], predictions or labels, NaN where missing; 1/2 counts as present.
        pairs: The pairs.

    Example:
        >>> implausible_rate([[1, 0], [1, 1]], [ImplausiblePair(0, 1, 0, 25.0, 0)])
        0.5
    """
    flags = flag_implausible(predicted, pairs)
    return float(flags.any(axis=1).mean()) if len(flags) else float("nan")


def plain_pairs(pairs: Iterable[ImplausiblePair]) -> list[dict[str, Any]]:
    """Return pairs as plain values for JSON; `pairs_from_plain` reads them."""
    return [pair._asdict() for pair in pairs]


def pairs_from_plain(stored: Iterable[Mapping[str, Any]]) -> tuple[ImplausiblePair, ...]:
    """Return the pairs that `plain_pairs` wrote."""
    return tuple(ImplausiblePair(**pair) for pair in stored)
