"""Many labels on a CPU: the relation and its products by blocks of rows, which a processor's caches hold.

Eager mode moves the relation so. In a compiled graph the products of Eq. 2 go by rows too, and each of the two is one
operator: a graph has no loop of its own, and would write, read and give back whole matrices.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from obrl.algebra import Products
from obrl.counts import PairCounts, row_counts
from obrl.namespace import NUMPY, Namespace
from obrl.online import RelationState, StatePairs, compare_rows, is_symmetric, update_state
from obrl.row_products import RowProducts, code_pairs, code_weights, multiply_rows
from obrl.settings import Settings
from obrl_torch import host
from obrl_torch.namespace import TORCH
from obrl_torch.opaque import operator
from obrl_torch.selection import select_pairs


def are_taken(state: RelationState, *others: Tensor | None) -> bool:
    """Whether a relation goes by blocks of rows: one of many labels, in a compiled graph or where the host may look."""
    weight, compiled = state.relation_weight, torch.compiler.is_compiling()
    if not weight.is_cpu or weight.shape[0] ** 2 <= (host.WHOLE_ELEMENTS if compiled else host.BLOCK_ELEMENTS):
        return False
    return compiled or host.arrays((*state, *others)) is not None


def move(state: RelationState, positive: Tensor, observed: Tensor | None, settings: Settings) -> None:
    """Eq. 1 in place, for one batch of this process alone.

    Args:
        state: the accumulators.
        positive: (batch, num_labels), 1 where a label is observed and at least 0.5, in the dtype to count in.
        observed: the same shape, bool, or None.
        settings: decay, measure and estimator count.
    """
    _move(*state, positive, observed, settings.decay, settings.measure, settings.estimator)


def _move_rows(
    relation_sum: Tensor,
    relation_weight: Tensor,
    positive: Tensor,
    observed: Tensor | None,
    decay: float,
    measure: str,
    estimator: str,
) -> None:
    settings = Settings(decay=decay, measure=measure, estimator=estimator)
    batch, num_labels = positive.shape
    if observed is not None and bool(observed.all()):
        observed = None
    mask = None if observed is None else observed.to(positive.dtype)
    ones = positive.sum(dim=0, keepdim=True)
    state = RelationState(relation_sum, relation_weight)
    for rows in host.blocks(num_labels, host.BLOCK_ELEMENTS):
        counts = row_counts(TORCH, positive, mask, batch, ones, _columns(rows))
        cast = (part.to(relation_weight.dtype) if isinstance(part, Tensor) else part for part in counts)
        _update_rows(state, rows, PairCounts(*cast), settings)


def _update_rows(state: RelationState, rows: slice, counts: PairCounts, settings: Settings) -> None:
    own = RelationState(*(part[..., rows, :] for part in state))
    for part, new in zip(own, update_state(TORCH, own, counts, settings), strict=True):
        part.copy_(new)


def update(state: RelationState, counts: PairCounts, settings: Settings) -> None:
    """Eq. 1 in place, for a batch whose counts are known, in the dtype of the state."""
    num_labels = len(state.relation_weight)
    by_rows = not torch.compiler.is_compiling() and are_taken(state)
    for rows in host.blocks(num_labels, host.BLOCK_ELEMENTS if by_rows else num_labels**2):
        own = (part[rows] if isinstance(part, Tensor) and len(part) == num_labels else part for part in counts)
        _update_rows(state, rows, PairCounts(*own), settings)


def _columns(rows: slice) -> Callable[[Tensor], Tensor]:
    return lambda array: array[:, rows]


_move = operator("move_rows", _move_rows, lambda *arguments: None, ("relation_sum", "relation_weight"))


class RowPairs(StatePairs):
    """The pair weights of a relation, of which no more than some rows are made at a time."""

    __slots__ = ()

    def products(self, ns: Namespace, q: Tensor, q2: Tensor) -> Products:
        """The products with centred probabilities q, given their squares too."""
        if torch.is_grad_enabled() and q.requires_grad:  # the operator cannot be differentiated
            with torch.no_grad():
                pairs = self.laplacians(ns, like=q)
            return pairs.products(ns, q, q2)
        powers, settings = torch.cat([q, q2, q2 * q]), self.settings
        thresholds = (settings.positive_threshold, settings.negative_threshold)
        rows = RowProducts(*_multiply(*self.state, q, powers, *thresholds, settings.measure, settings.estimator))
        return self.gathered(ns, rows, rows.powers.chunk(3))


def _multiply_rows(
    relation_sum: Tensor,
    relation_weight: Tensor,
    q: Tensor,
    powers: Tensor,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> list[Tensor]:
    settings = Settings(
        positive_threshold=positive_threshold,
        negative_threshold=negative_threshold,
        measure=measure,
        estimator=estimator,
    )
    found = RowProducts(*_new_products(q, powers))
    coded = _coder(RelationState(relation_sum, relation_weight), settings)
    for rows in host.blocks(q.shape[1], host.MULTIPLIED_ELEMENTS):
        parts = multiply_rows(TORCH, code_weights(TORCH, coded(rows), like=q), q, powers, _columns(rows))
        for whole, own in zip(found, parts, strict=True):
            whole[:, rows] = own
    return list(found)


def _coder(state: RelationState, settings: Settings) -> Callable[[slice], Tensor]:
    """What gives some rows of the code of a relation's pairs."""
    views = RelationState(*(part.numpy() for part in state))
    if settings.estimator == "counts" or not is_symmetric(settings):  # a pair's code needs the other direction too
        code = code_pairs(NUMPY, *select_pairs(views, settings)[0], symmetric=is_symmetric(settings))
        return lambda rows: torch.from_numpy(code[rows])

    def coded(rows: slice) -> Tensor:
        own = RelationState(*(part[rows] for part in views))
        code = np.empty(own.relation_weight.shape, np.int8)
        for few in host.blocks(code.shape[1], host.COMPARED_ELEMENTS, count=len(code)):
            compared = compare_rows(NUMPY, RelationState(*(part[few] for part in own)), settings)
            code[few] = code_pairs(NUMPY, *compared, symmetric=True)
        np.fill_diagonal(code[:, rows], 0)
        return torch.from_numpy(code)

    return coded


def _new_products(q: Tensor, powers: Tensor) -> list[Tensor]:
    """Room for the fields of `RowProducts`."""
    return [torch.empty_like(q), torch.empty_like(powers), *(q.new_empty((1, q.shape[1])) for _ in range(2))]


_multiply = operator("multiply_rows", _multiply_rows, lambda *arguments: _new_products(*arguments[2:4]))
