"""Many labels in what XLA compiles for a CPU: the relation and its products by blocks of rows, which its caches hold.

XLA gives each tensor of a step memory of its own. With a thousand labels and more, most of a step's time then goes to
what lies between: (num_labels, num_labels) tensors that are written, read once, and given back. Loops over rows move
the state where it lies.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from obrl.algebra import Products
from obrl.counts import PairCounts, row_counts
from obrl.namespace import Namespace
from obrl.online import RelationState, StatePairs, state_code, update_state
from obrl.row_products import RowProducts, code_weights, multiply_rows, row_blocks
from obrl.settings import Settings
from obrl_keras.graphs import replica_context
from obrl_keras.inputs import Labels
from obrl_tensorflow.namespace import TENSORFLOW, Tensor

BLOCK_ELEMENTS = 2**18
"""A block of rows has about this many elements; a relation of no more is taken whole. As in `obrl_jax.rows`."""


def in_xla() -> bool:
    """Whether XLA will compile what is called now."""
    return not tf.executing_eagerly() and bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def are_taken(num_labels: int) -> bool:
    """Whether a relation goes by blocks of rows: one of many labels, in one replica's step for a CPU."""
    if num_labels**2 <= BLOCK_ELEMENTS or not in_xla() or replica_context(tf) is not None:
        return False
    return not any(tf.config.get_visible_devices(kind) for kind in ("GPU", "TPU"))


def _loop(
    num_labels: int, body: Callable[[Tensor, int, list[Tensor]], list[Tensor]], carry: list[Tensor]
) -> list[Tensor]:
    """Call (start, rows, carry) to carry for each block of rows, and for the rows that are left."""
    rows, full, left = row_blocks(num_labels, BLOCK_ELEMENTS)
    _, *carry = tf.while_loop(
        lambda block, *carry: block < full,
        lambda block, *carry: (block + 1, *body(block * rows, rows, list(carry))),
        (tf.constant(0), *carry),
        maximum_iterations=full,
    )
    return body(tf.constant(full * rows), left, carry) if left else carry


def _columns(start: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    """What gives the columns of some labels in a (batch, num_labels) or (1, num_labels) tensor."""

    def columns(tensor: Tensor) -> Tensor:
        found = tf.slice(tensor, (0, start), (tf.shape(tensor)[0], rows))
        return tf.ensure_shape(found, (tensor.shape[0], rows))

    return columns


def _rows(matrix: Tensor, start: Tensor, rows: int) -> Tensor:
    return tf.slice(matrix, (start, 0), (rows, matrix.shape[1]))  # XLA must know the size


def _put(matrix: Tensor, rows: Tensor, start: Tensor) -> Tensor:
    """A matrix with some rows in place of its own; where nothing else needs the old one, in its memory."""
    return tf.tensor_scatter_nd_update(matrix, (start + tf.range(rows.shape[0]))[:, None], rows)


def move(state: RelationState, labels: Labels, settings: Settings, *, still: Tensor | None) -> RelationState:
    """Eq. 1 for one batch; a run that finds no target missing counts as if it had known.

    Args:
        state: the accumulators.
        labels: the batch; `positive` in any floating point dtype.
        settings: decay, measure and estimator count.
        still: a scalar bool that holds the relation where it is, or None.

    Returns:
        The new accumulators, in the dtype of the old ones.
    """
    positive, observed = labels.positive, labels.observed
    mask = None if observed is None else tf.cast(observed, positive.dtype)
    every = None if observed is None else tf.reduce_all(observed)
    ones = TENSORFLOW.sum(positive, axis=0, keepdims=True)
    averages_counts = settings.estimator == "counts"

    def moved(start: Tensor, rows: int, matrices: list[Tensor]) -> list[Tensor]:
        *sums, weight = (_rows(matrix, start, rows) for matrix in matrices)
        old = RelationState(tf.stack(sums) if averages_counts else sums[0], weight)

        def counted(mask: Tensor | None) -> RelationState:
            counts = row_counts(TENSORFLOW, positive, mask, labels.rows, ones, _columns(start, rows))
            cast = (part if isinstance(part, int) else tf.cast(part, weight.dtype) for part in counts)
            return update_state(TENSORFLOW, old, PairCounts(*cast), settings)

        new = counted(None) if every is None else tf.cond(every, lambda: counted(None), lambda: counted(mask))
        if still is not None:
            new = [tf.where(still, before, after) for before, after in zip(old, new, strict=True)]
        parts = (*tf.unstack(new[0]), new[1]) if averages_counts else new
        return [_put(matrix, part, start) for matrix, part in zip(matrices, parts, strict=True)]

    first = tf.unstack(state.relation_sum) if averages_counts else [state.relation_sum]
    *sums, weight = _loop(positive.shape[1], moved, [*first, state.relation_weight])
    return RelationState(tf.stack(sums) if averages_counts else sums[0], weight)


class RowPairs(StatePairs):
    """The pair weights of a relation, of which no more than some rows are made at a time."""

    __slots__ = ()

    def products(self, ns: Namespace, q: Tensor, q2: Tensor) -> Products:
        """The products with centred probabilities q, given their squares too; they cannot be differentiated."""
        num_labels = q.shape[1]
        code = tf.cast(state_code(TENSORFLOW, self.state, self.settings), tf.int8)
        # A tape would ask the loop for a gradient, which is the loss's own.
        code, q, powers = map(tf.stop_gradient, (code, q, tf.concat([q, q2, q2 * q], axis=0)))

        def multiplied(start: Tensor, rows: int, carry: list[Tensor]) -> list[Tensor]:
            weights = code_weights(TENSORFLOW, _rows(code, start, rows), like=q)
            own = multiply_rows(TENSORFLOW, weights, q, powers, _columns(start, rows))
            return [_put(carry[0], tf.transpose(tf.concat(own, axis=0)), start)]

        # All in one matrix, which is not empty even if the batch is.
        size = tf.shape(q)[0] if q.shape[0] is None else q.shape[0]
        (found,) = _loop(num_labels, multiplied, [tf.zeros((num_labels, 4 * size + 2), q.dtype)])
        found = tf.transpose(found)
        rows = RowProducts(found[:size], found[size : 4 * size], found[4 * size : -1], found[-1:])
        return self.gathered(ns, rows, tf.split(rows.powers, 3))
