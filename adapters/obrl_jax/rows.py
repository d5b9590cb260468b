"""Many labels on a CPU: the relation and its products by blocks of rows, which a processor's own cache holds.

XLA gives each array of a step memory of its own. With a thousand labels and more, most of a step's time then goes to
what lies between: (num_labels, num_labels) arrays that are written, read once, and given back. Elsewhere than on a CPU
the same functions take all rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from obrl.algebra import Products
from obrl.counts import PairCounts, pair_counts, row_counts
from obrl.namespace import Namespace
from obrl.online import RelationState, compare_rows, is_symmetric, state_code, update_state
from obrl.row_products import RowProducts, RowWeights, all_products, code_weights, multiply_rows, row_blocks
from obrl.settings import Settings
from obrl_jax.namespace import JAX

BLOCK_ELEMENTS = 2**18
"""A block of rows has about this many elements; a relation of no more is taken whole.

Of 2^16 to 2^19 the best, or as good, from 1,000 to 4,000 labels, on two cores of an AMD EPYC in November 2026.
"""


def are_taken(num_labels: int, *arrays: Array | None) -> bool:
    """Whether a relation goes by rows: one that is large, where no mesh has spread these arrays."""
    return num_labels**2 > BLOCK_ELEMENTS and not any(_is_spread(array) for array in arrays if array is not None)


def _is_spread(array: Array) -> bool:
    """Whether an array is known to lie on several devices, by explicit axes or inside of `jax.shard_map`."""
    kind = jax.typeof(array)
    manual = getattr(kind, "mat", None)  # JAX before 0.10 has the axes themselves
    varying = getattr(kind, "vma", ()) if manual is None else manual.varying
    return bool(varying) or any(axis is not None for axis in kind.sharding.spec)


def _slice(array: Array, start: Array | int, rows: int, axis: int) -> Array:
    return lax.dynamic_slice_in_dim(array, start, rows, axis)


def update(state: RelationState, counts: PairCounts, settings: Settings) -> RelationState:
    """Eq. 1 for counts in any dtype; the new state is in the dtype of the old state."""
    dtype = state.relation_weight.dtype
    cast = PairCounts(*(part if isinstance(part, int) else part.astype(dtype) for part in counts))
    return update_state(JAX, state, lax.stop_gradient(cast), settings)


def move(settings: Settings, state: RelationState, positive: Array, observed: Array | None) -> RelationState:
    """Eq. 1 for one batch of this process alone.

    Args:
        settings: decay, measure and estimator count.
        state: the accumulators.
        positive: (batch, num_labels), 1 where a label is observed and at least 0.5, in the dtype to count in.
        observed: the same shape, bool, or None. A run on a CPU that finds no target missing counts as with None.
    """
    moved: RelationState = _move(settings, BLOCK_ELEMENTS, state, positive, observed)
    return moved


@partial(jax.jit, static_argnums=(0, 1))
def _move(
    settings: Settings, elements: int, state: RelationState, positive: Array, observed: Array | None
) -> RelationState:
    mask = None if observed is None else observed.astype(positive.dtype)
    batch, num_labels = positive.shape

    def whole(state: RelationState, positive: Array, mask: Array | None) -> RelationState:
        return update(state, pair_counts(JAX, positive, mask, batch), settings)

    def by_rows(state: RelationState, positive: Array, mask: Array | None) -> RelationState:
        every = None if observed is None else observed.all()
        ones = JAX.sum(positive, axis=0, keepdims=True)

        def moved(start: Array | int, rows: int, state: RelationState) -> RelationState:
            old = RelationState(*(_slice(part, start, rows, part.ndim - 2) for part in state))

            def counted(mask: Array | None) -> RelationState:
                counts = row_counts(JAX, positive, mask, batch, ones, lambda array: _slice(array, start, rows, 1))
                return update(old, counts, settings)

            new = counted(None) if mask is None else lax.cond(every, lambda: counted(None), lambda: counted(mask))
            parts = zip(state, new, strict=True)
            return RelationState(*(lax.dynamic_update_slice_in_dim(a, b, start, a.ndim - 2) for a, b in parts))

        rows, full, left = row_blocks(num_labels, elements)
        state = lax.fori_loop(0, full, lambda block, state: moved(block * rows, rows, state), state)
        return moved(full * rows, left, state) if left else state

    return RelationState(*lax.platform_dependent(state, positive, mask, cpu=by_rows, default=whole))


class Coded(NamedTuple):
    """Pairs whose code is there.

    Attributes:
        code: of `obrl.row_products.code_pairs`, int8, (num_labels, num_labels).
    """

    code: Array

    def weights(self, start: Array | int, rows: int, *, like: Array) -> RowWeights:
        """So many rows of the weights."""
        return code_weights(JAX, _slice(self.code, start, rows, 0), like=like)


@partial(jax.tree_util.register_dataclass, data_fields=["state"], meta_fields=["settings"])
@dataclass(frozen=True)
class Compared:
    """Pairs that are compared (Eq. 3) where they are multiplied with: a state is read once, and no code is written.

    Attributes:
        state: accumulators of the estimator `"batch"`.
        settings: of a symmetric measure; thresholds count.
    """

    state: RelationState
    settings: Settings

    def weights(self, start: Array | int, rows: int, *, like: Array) -> RowWeights:
        """So many rows of the weights."""
        own = RelationState(*(_slice(part, start, rows, 0) for part in self.state))
        positive, negative = compare_rows(JAX, own, self.settings)
        different = start + jnp.arange(rows)[:, None] != jnp.arange(positive.shape[1])[None]
        four_b = 4.0 * JAX.cast(negative & different, like=like)
        return RowWeights(mixed=2.0 * JAX.cast(positive & different, like=like) - four_b, negative=four_b)


@partial(jax.tree_util.register_dataclass, data_fields=["pairs"], meta_fields=["symmetric", "normalization"])
@dataclass(frozen=True)
class RowPairs:
    """The pair weights of many labels, of which no more than some rows are made at a time.

    Attributes:
        pairs: what gives rows of the weights.
        symmetric: whether f_p and f_n were; else the weights are twice A and B.
        normalization: `"all_pairs"` or `"active_pairs"`.
    """

    pairs: Coded | Compared
    symmetric: bool
    normalization: str
    columns: ClassVar[None] = None

    @classmethod
    def of_state(cls, state: RelationState, settings: Settings) -> RowPairs:
        """Those of Eq. 3 on a state."""
        symmetric = is_symmetric(settings)
        alone = symmetric and settings.estimator == "batch"  # else a pair's code needs the other direction too
        pairs = Compared(state, settings) if alone else Coded(state_code(JAX, state, settings))
        return cls(pairs, symmetric, settings.normalization)

    def kept(self) -> RowPairs:
        """The same, to be kept beside a state that moves on: a byte a pair."""
        if isinstance(self.pairs, Coded):
            return self
        return replace(self, pairs=Coded(state_code(JAX, self.pairs.state, self.pairs.settings)))

    def products(self, ns: Namespace, q: Array, q2: Array) -> Products:
        """The products with centred probabilities q, given their squares too."""
        rows = _multiply(BLOCK_ELEMENTS, self.pairs, q, q2)
        return all_products(
            ns,
            rows,
            jnp.split(rows.powers, 3),
            num_labels=q.shape[1],
            symmetric=self.symmetric,
            normalization=self.normalization,
        )


@partial(jax.jit, static_argnums=0)
def _multiply(elements: int, pairs: Coded | Compared, q: Array, q2: Array) -> RowProducts:
    num_labels = q.shape[1]

    def multiplied(start: Array | int, rows: int, pairs: Coded | Compared, q: Array, powers: Array) -> RowProducts:
        weights = pairs.weights(start, rows, like=q)
        return multiply_rows(JAX, weights, q, powers, lambda array: _slice(array, start, rows, 1))

    def whole(pairs: Coded | Compared, q: Array, q2: Array) -> RowProducts:
        return multiplied(0, num_labels, pairs, q, jnp.concatenate([q, q2, q2 * q]))

    def by_rows(pairs: Coded | Compared, q: Array, q2: Array) -> RowProducts:
        powers = jnp.concatenate([q, q2, q2 * q])
        rows, full, left = row_blocks(num_labels, elements)
        blocks = lax.map(lambda block: multiplied(block * rows, rows, pairs, q, powers), jnp.arange(full))
        found = RowProducts(*(jnp.moveaxis(part, 0, 1).reshape(part.shape[1], full * rows) for part in blocks))
        return _beside(found, multiplied(full * rows, left, pairs, q, powers)) if left else found

    return RowProducts(*lax.platform_dependent(pairs, q, q2, cpu=by_rows, default=whole))


def _beside(first: RowProducts, second: RowProducts) -> RowProducts:
    return RowProducts(*(jnp.concatenate(parts, axis=1) for parts in zip(first, second, strict=True)))
