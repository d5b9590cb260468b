"""How often labels occur together: the counts that every measure is made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.arrays import as_labels
from obrl.errors import check_labels, metadata
from obrl.labels import Labels, read_labels
from obrl.namespace import NUMPY, Array, Namespace

MAX_EXACT_COUNT = 2**24
"""Up to this number float32 holds every whole number."""


class PairCounts(NamedTuple):
    """Counts over the samples of a batch, for every ordered pair of labels (i, j).

    Each field has shape (num_labels, num_labels), or broadcasts to it where every label is observed.

    Attributes:
        n: samples in which i and j are both observed.
        s: samples in which both are observed and both are 1.
        r: samples in which both are observed and i is 1.
        c: samples in which both are observed and j is 1; the transpose of r.

    Example:
        >>> from obrl import count_pairs
        >>> counts = count_pairs([[1, 1], [1, 0], [0, 0], [1, float("nan")]])
        >>> [int(count[0, 1]) for count in counts]  # n, s, r and c of the first label with the second
        [3, 1, 2, 1]
    """

    n: Array
    s: Array
    r: Array
    c: Array


def pair_counts(ns: Namespace, positive: Array, observed: Array | None, batch: int | float) -> PairCounts:
    """Count pairs in the framework of `ns`.

    Args:
        ns: the framework's functions.
        positive: (batch, num_labels), 1 where a label is observed and at least 0.5, else 0, in the dtype to count
            in; float32 is exact up to 2^24 rows.
        observed: the same shape and dtype, 1 where a label is observed; None where all are.
        batch: the number of rows; as an int it allows a shorter form of phi.

    Returns:
        The counts. With `observed=None`, n is the number `batch`, r has shape (num_labels, 1) and c (1, num_labels).
    """
    if observed is None:
        ones = ns.sum(positive, axis=0, keepdims=True)
        return PairCounts(n=batch, s=ns.matmul(ns.transpose(positive), positive), r=ns.transpose(ones), c=ones)
    columns = ns.transpose(positive)
    r = ns.matmul(columns, observed)
    return PairCounts(
        n=ns.matmul(ns.transpose(observed), observed), s=ns.matmul(columns, positive), r=r, c=ns.transpose(r)
    )


def count_pairs(targets: npt.ArrayLike, *, observed: npt.ArrayLike | None = None) -> PairCounts:
    """Count, for every pair of labels, how often they are seen and are 1 together.

    Args:
        targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1; NaN, and
            what a NumPy masked array masks, is missing.
        observed: (batch, num_labels), bool; False marks a missing target.

    Returns:
        `PairCounts` of exact int64 arrays, each (num_labels, num_labels).

    Raises:
        TypeError: complex or sparse targets, or `observed` that is not bool.
        ValueError: a wrong shape, or an observed target outside [0, 1].

    Example:
        >>> counts = count_pairs([[1, 1], [1, 0], [0, 0]])
        >>> counts.s
        array([[2, 1],
               [1, 1]])
        >>> counts.r
        array([[2, 2],
               [1, 1]])
    """
    y, mask = as_labels(targets, observed)
    check_labels(metadata(y), None if mask is None else metadata(mask), num_labels=None)
    return exact_counts(read_labels(y, mask))


def exact_counts(labels: Labels) -> PairCounts:
    """Count pairs of any number of rows exactly, as int64 matrices, in blocks of rows that float32 counts exactly."""
    rows, num_labels = labels.positive.shape
    totals = PairCounts(*(np.zeros((num_labels, num_labels), np.int64) for _ in PairCounts._fields))
    step = min(MAX_EXACT_COUNT, max(1, 2**26 // max(num_labels, 1)))
    for start in range(0, rows, step):
        block = slice(start, start + step)
        positive = labels.positive[block].astype(np.float32)
        observed = None if labels.observed is None else labels.observed[block].astype(np.float32)
        counts = pair_counts(NUMPY, positive, observed, float(len(positive)))
        for total, part in zip(totals, counts, strict=True):
            total += np.asarray(part).astype(np.int64)
    return totals


def two_present(counts: PairCounts) -> bool:
    """Whether any two labels are ever present together: in a table of classes no row has two.

    Args:
        counts: of a table, on the host; s is (num_labels, num_labels).
    """
    both = np.asarray(counts.s)
    return int(both.sum()) != int(both.diagonal().sum())
