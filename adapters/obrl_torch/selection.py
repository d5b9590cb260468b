"""Which pairs are active, where the host may look: in eager mode on a CPU.

A step changes few pairs and most steps change none, so the Laplacians of the last step usually serve again. A label
without an active pair is left out of the products. What is kept between steps is two bytes a pair and, for the labels
with an active pair, the two Laplacians.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from obrl.algebra import pair_laplacians
from obrl.namespace import NUMPY
from obrl.online import RelationState, compare_rows, is_symmetric
from obrl.settings import Settings
from obrl_torch import host
from obrl_torch.namespace import TORCH

Pairs = NDArray[np.bool_]
"""f_p and f_n, (2, num_labels, num_labels)."""

MOST_COLUMNS = 0.75
"""Up to this share of labels with an active pair, taking their columns apart costs less than it saves."""


class _Last(NamedTuple):
    settings: Settings
    dtype: torch.dtype
    pairs: Pairs
    laplacians: host.SharedPairs


class Selection:
    """The active pairs of one relation and what the algebra needs of them, kept until they change."""

    _last: _Last | None = None

    def laplacians(self, views: RelationState, settings: Settings, dtype: torch.dtype) -> host.SharedPairs:
        """The pair weights of a state, of which these are the arrays."""
        # Taken away in one go, for its pairs are written into: no other thread has it, and a step that fails loses it.
        last: _Last | None = vars(self).pop("_last", None)
        if last is not None and (last.dtype != dtype or last.settings is not settings):
            last = None
        pairs, changed = select_pairs(views, settings, None if last is None else last.pairs)
        if last is None or changed:
            # Kept tensors must be fit for autograd, in whichever mode this step is.
            with torch.inference_mode(False), torch.no_grad():
                last = _Last(settings, dtype, pairs, _laplacians(pairs, settings, dtype))
        self._last = last
        return last.laplacians

    def __deepcopy__(self, memo: dict[int, Any]) -> Selection:
        return Selection()

    def __getstate__(self) -> dict[str, Any]:
        return {"_last": None}


def select_pairs(views: RelationState, settings: Settings, last: Pairs | None = None) -> tuple[Pairs, bool]:
    """Eq. 3, as `obrl.online.select_pairs` does it; NumPy's comparisons are faster than torch's at every size.

    Args:
        views: the accumulators.
        settings: thresholds, measure and estimator count.
        last: what this gave before; many pairs are written into it.

    Returns:
        The pairs, and whether they differ from the last.
    """
    labels = views.relation_weight.shape[0]
    if settings.estimator != "counts" and labels**2 > host.COMPARED_ELEMENTS:
        return _select_by_rows(views, settings, last)
    pairs = np.empty((2, labels, labels), np.bool_)
    pairs[0], pairs[1] = compare_rows(NUMPY, views, settings)
    if settings.estimator == "counts" and is_symmetric(settings):
        pairs &= pairs.transpose(0, 2, 1).copy()
    pairs.reshape(2, -1)[:, :: labels + 1] = False  # the diagonals
    return pairs, last is None or not (pairs == last).all()


def _select_by_rows(views: RelationState, settings: Settings, last: Pairs | None) -> tuple[Pairs, bool]:
    labels = views.relation_weight.shape[0]
    pairs = np.empty((2, labels, labels), np.bool_) if last is None else last
    changed = last is None
    for rows in host.blocks(labels, host.COMPARED_ELEMENTS):
        for kept, found in zip(
            pairs[:, rows], compare_rows(NUMPY, RelationState(*(part[rows] for part in views)), settings), strict=True
        ):
            np.fill_diagonal(found[:, rows], False)
            if changed or not np.array_equal(kept, found):
                kept[:], changed = found, True
    return pairs, changed


def _laplacians(pairs: Pairs, settings: Settings, dtype: torch.dtype) -> host.SharedPairs:
    """The pair weights in the form that the algebra takes, of the labels that have an active pair if these are few."""
    num_labels = pairs.shape[1]
    active = pairs[0] | pairs[1]
    columns = np.flatnonzero(active.any(axis=0) | active.any(axis=1))
    few = len(columns) <= MOST_COLUMNS * num_labels
    if few:
        pairs = pairs[:, columns[:, None], columns]
    small = pairs.shape[1] <= host.SMALL_LABELS
    made = pair_laplacians(
        NUMPY if small else TORCH,
        *(pairs if small else map(torch.from_numpy, pairs)),
        num_labels=num_labels,
        symmetric=is_symmetric(settings),
        normalization=settings.normalization,
        like=host.numpy_like(dtype) if small else torch.empty((), dtype=dtype, device="cpu"),
    )
    made = host.pairs_to_torch(made, dtype) if small else made
    return host.share_pairs(made, columns if few else None)
