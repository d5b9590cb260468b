"""How often labels occur together: the counts that every measure is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.errors import check_labels, check_target_range, metadata
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


def row_counts(
    ns: Namespace,
    positive: Array,
    observed: Array | None,
    batch: int | float,
    ones: Array,
    rows: Callable[[Array], Array],
) -> PairCounts:
    """As `pair_counts`, for the pairs of some labels, the rows, with all.

    Args:
        ns: the framework's functions.
        positive: as in `pair_counts`, and so are `observed` and `batch`.
        observed: likewise.
        batch: likewise.
        ones: how often each label is 1, (1, num_labels).
        rows: gives the columns of those labels in a (batch, num_labels) or (1, num_labels) array.

    Returns:
        The counts, (rows, num_labels) each. With `observed=None`, n is the number `batch`, r has shape (rows, 1) and c
        (1, num_labels).
    """
    columns = ns.transpose(rows(positive))
    s = ns.matmul(columns, positive)
    if observed is None:
        return PairCounts(n=batch, s=s, r=ns.transpose(rows(ones)), c=ones)
    seen = ns.transpose(rows(observed))
    return PairCounts(n=ns.matmul(seen, observed), s=s, r=ns.matmul(columns, observed), c=ns.matmul(seen, positive))


def split_targets(
    targets: npt.ArrayLike, observed: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None]:
    """Say which targets are 1 and which are known.

    Args:
        targets: (batch, num_labels), in [0, 1]; NaN is missing; at least 0.5 counts as 1.
        observed: bool, the same shape; False is missing, whatever the target holds.

    Returns:
        `positive` (observed and 1), and `observed`, or None where every target is known.

    Raises:
        ValueError: an observed target outside [0, 1].
    """
    values = np.asarray(targets)
    known = None if observed is None else np.asarray(observed)
    if values.dtype.kind == "f":
        not_nan = ~np.isnan(values)
        known = not_nan if known is None else known & not_nan
    if known is not None and known.all():
        known = None
    seen = values if known is None else values[known]
    if seen.size and values.dtype.kind != "b":
        check_target_range(float(seen.min()), float(seen.max()))
    positive = values >= 0.5 if values.dtype.kind != "b" else values
    return (positive if known is None else positive & known), known


def count_pairs(targets: npt.ArrayLike, observed: npt.ArrayLike | None = None) -> PairCounts:
    """Count, for every pair of labels, how often they are seen and are 1 together.

    Args:
        targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1, NaN is
            missing.
        observed: (batch, num_labels), bool; False marks a missing target.

    Returns:
        `PairCounts` of exact int64 arrays, each (num_labels, num_labels).

    Raises:
        TypeError: complex targets, or `observed` that is not bool.
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
    values = np.asarray(targets)
    mask = None if observed is None else np.asarray(observed)
    check_labels(metadata(values), None if mask is None else metadata(mask), num_labels=None)
    positive, known = split_targets(values, mask)
    return exact_counts(positive, known)


def exact_counts(positive: npt.NDArray[np.bool_], observed: npt.NDArray[np.bool_] | None) -> PairCounts:
    """Count pairs of any number of rows exactly, as int64 matrices, in blocks that float32 counts exactly."""
    rows, labels = positive.shape
    shape = (labels, labels)
    totals = PairCounts(*(np.zeros(shape, np.int64) for _ in PairCounts._fields))
    step = min(MAX_EXACT_COUNT, max(1, 2**26 // max(labels, 1)))
    for start in range(0, rows, step):
        block = positive[start : start + step].astype(np.float32)
        mask = None if observed is None else observed[start : start + step].astype(np.float32)
        counts = pair_counts(NUMPY, block, mask, float(len(block)))
        for total, part in zip(totals, counts, strict=True):
            total += np.asarray(part).astype(np.int64)
    return totals
