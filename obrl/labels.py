"""Split targets into values, positives and a mask of observed entries. NaN and `observed=False` both mean missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.errors import check_target_range, metadata
from obrl.namespace import NUMPY, Array, Namespace


class Labels(NamedTuple):
    """A batch of targets, split into what each part of the loss needs; every field is (batch, num_labels).

    Attributes:
        targets: y in [0, 1] in the dtype it came in, for the cross-entropy; 0 where missing, so there is no NaN.
        positive: bool, for the relation: observed, and at least 0.5 (for integers: above 0).
        observed: bool, where a target is not missing; None where none is.
    """

    targets: Array
    positive: Array
    observed: Array | None


def split_labels(ns: Namespace, targets: Array, observed: Array | None, *, kind: str, complete: bool = False) -> Labels:
    """Say which targets are known and which are 1, without reading a value on the host.

    Args:
        ns: the framework's functions.
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool; False is missing, whatever the target holds. None where `targets` says all.
        kind: of the dtype of targets, as in `Metadata`: "bool", "int" or "float".
        complete: whether `check_values` has read the targets and none is missing; `observed` is then None in the
            result, which spares counting the observed pairs.
    """
    positive = {"bool": lambda: targets, "int": lambda: targets > 0, "float": lambda: targets >= 0.5}[kind]()
    if complete:
        return Labels(targets, positive, None)
    if kind == "float":
        not_nan = targets == targets  # NaN alone differs from itself
        observed = not_nan if observed is None else observed & not_nan
    if observed is None:
        return Labels(targets, positive, None)
    positive = positive & observed
    return Labels(positive if kind == "bool" else ns.where(observed, targets, 0), positive, observed)


LEAST_KNOWN = 32
"""With fewer known labels in a batch, that all of them are 1 may be chance."""


def without_ignored(targets: Array, observed: Array | None, ignore_index: int | None) -> Array | None:
    """`observed`, and False where a target equals `ignore_index`; no value is read on the host.

    Args:
        targets: (batch, num_labels); integers, unless `ignore_index` is None.
        observed: the same shape, bool, or None.
        ignore_index: the number that marks missing targets, or None.
    """
    if ignore_index is None:
        return observed
    known = targets != ignore_index
    return known if observed is None else observed & known


def check_ignored(targets: npt.NDArray[Any], observed: npt.NDArray[np.bool_] | None, ignore_index: int | None) -> None:
    """Refuse targets coded -1 and 1, in which -1 means absent, where `ignore_index=-1` would take it for missing.

    Args:
        targets: (batch, num_labels), integers, unless `ignore_index` is None.
        observed: the same shape, bool, or None, as the caller of the loss gave it.
        ignore_index: the number that marks missing targets, or None.

    Raises:
        ValueError: -1 occurs, and the other observed targets, at least `LEAST_KNOWN`, are all 1.
    """
    if ignore_index == -1:
        values = targets if observed is None else targets[observed]
        known = values[values != -1]
        check_ignored_counts(values.size - known.size, known.size, int((known == 1).sum()))


ONLY_ONES = "targets must hold 0, 1 and -1 where ignore_index=-1 marks the missing ones, got"
"""How the error of `check_ignored` begins."""
ONLY_ONES_REMEDY = (
    "If -1 means absent, as in CelebA, give (targets + 1) // 2 without ignore_index; if it means missing, and only "
    "labels that are present are known, give observed=targets != -1 in place of ignore_index"
)
"""How it ends."""


def check_ignored_counts(missing: int, known: int, ones: int) -> None:
    """What `check_ignored` refuses, from three numbers, which a compiled program can hand to the host.

    Args:
        missing: how many observed targets are -1.
        known: how many are not.
        ones: how many are 1.

    Raises:
        ValueError: some are -1, and the others, at least `LEAST_KNOWN`, are all 1.
    """
    if missing and known >= LEAST_KNOWN and known == ones:
        raise ValueError(f"{ONLY_ONES} {missing} times -1, {known} times 1 and no 0. {ONLY_ONES_REMEDY}")


def known_targets(
    targets: Array, observed: Array | None, ignore_index: int | None, *, on_host: Callable[[Any], Any] | None
) -> Array | None:
    """`observed`, and False where checked targets equal `ignore_index`.

    Args:
        targets: (batch, num_labels); integers, unless `ignore_index` is None.
        observed: the same shape, bool, or None.
        ignore_index: the number that marks missing targets, or None.
        on_host: gives an array as one of NumPy; None where no value may be read.

    Raises:
        ValueError: targets that `check_ignored` refuses, where values may be read.
    """
    if ignore_index is not None and on_host is not None:
        check_ignored(on_host(targets), None if observed is None else on_host(observed), ignore_index)
    return without_ignored(targets, observed, ignore_index)


def _extremes(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The smallest and the largest of at least one number; NaN where one of them is NaN."""
    return float(values.min()), float(values.max())


def check_values(
    targets: npt.NDArray[Any],
    observed: npt.NDArray[np.bool_] | None,
    extremes: Callable[[npt.NDArray[Any]], tuple[float, float]] = _extremes,
) -> bool:
    """Read the targets of a batch on the host.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool, or None.
        extremes: gives the smallest and the largest of an array; a framework passes its own where that is faster.

    Returns:
        Whether no target is missing.

    Raises:
        ValueError: an observed target outside [0, 1].
    """
    if targets.dtype.kind == "b":
        return observed is None or bool(observed.all())
    known = targets if observed is None else targets[observed]
    if not known.size:
        return observed is None or bool(observed.all())
    low, high = extremes(known)
    if low != low:  # a NaN
        check_values(known[~np.isnan(known)], None, extremes)
        return False
    if low < 0 or high > 1:
        outside = known[(known < 0) | (known > 1)]
        check_target_range(low, high, one_number=bool(outside.min() == outside.max()))
    return known.size == targets.size


def read_labels(
    targets: npt.NDArray[Any], observed: npt.NDArray[np.bool_] | None, ignore_index: int | None = None
) -> Labels:
    """Check the values of NumPy targets, then split them.

    Raises:
        ValueError: an observed target outside [0, 1], or targets that `check_ignored` refuses.
    """
    observed = known_targets(targets, observed, ignore_index, on_host=np.asarray)
    complete = check_values(targets, observed)
    return split_labels(NUMPY, targets, observed, kind=metadata(targets).kind, complete=complete)
