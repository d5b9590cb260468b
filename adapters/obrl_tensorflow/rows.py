"""Many labels in what XLA compiles for a CPU: the relation and its products by blocks of rows, which its caches hold.

XLA gives each tensor of a step memory of its own. With a thousand labels and more, most of a step's time then goes to
what lies between: (num_labels, num_labels) tensors that are written, read once, and given back. Loops over rows move
the state where it lies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from obrl.algebra import PairLaplacians, Products
from obrl.counts import PairCounts, row_counts
from obrl.namespace import Namespace
from obrl.online import RelationState, is_symmetric, select_pairs, state_laplacians, update_state
from obrl.row_products import RowProducts, all_products, code_pairs, multiply_rows
from obrl.settings import Settings
from obrl_keras.graphs import replica_context
from obrl_keras.inputs import Labels
from obrl_tensorflow.namespace import TENSORFLOW, Tensor

BLOCK_ELEMENTS = 2**18
"""A block of rows has about this many elements; a relation of no more is taken whole."""


def in_xla() -> bool:
    """Whether XLA will compile what is called now."""
    return not tf.executing_eagerly() and bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def are_taken(num_labels: int) -> bool:
    """Whether a relation goes by blocks of rows: one of many labels, in one replica's step for a CPU."""
    if num_labels**2 <= BLOCK_ELEMENTS or not in_xla():
        return False
    return not tf.config.get_visible_devices("GPU") and replica_context(tf) is None


def _loop(
    num_labels: int, body: Callable[[Tensor, int, list[Tensor]], list[Tensor]], carry: list[Tensor]
) -> list[Tensor]:
    """Call (start, rows, carry) to carry for each block of rows, and for the rows that are left."""
    rows = max(1, BLOCK_ELEMENTS // num_labels)
    full = num_labels // rows
    _, *carry = tf.while_loop(
        lambda block, *carry: block < full,
        lambda block, *carry: (block + 1, *body(block * rows, rows, list(carry))),
        (tf.constant(0), *carry),
        maximum_iterations=full,
    )
    left = num_labels - full * rows
    return body(tf.constant(full * rows), left, carry) if left else carry


def _rows(tensor: Tensor, start: Tensor, rows: int, axis: int) -> Tensor:
    """Some rows, along an axis counted from the end."""
    axis += len(tensor.shape)
    starts, sizes = [tf.constant(0)] * len(tensor.shape), list(tf.unstack(tf.shape(tensor)))
    starts[axis], sizes[axis] = start, rows
    found = xla.dynamic_slice(tensor, tf.stack(starts), tf.stack(sizes))
    return tf.ensure_shape(found, [*tensor.shape[:axis], rows, *tensor.shape[axis + 1 :]])


def _put(tensor: Tensor, part: Tensor, start: Tensor, axis: int) -> Tensor:
    starts = [tf.constant(0)] * len(tensor.shape)
    starts[axis] = start
    return xla.dynamic_update_slice(tensor, part, tf.stack(starts))


def move(state: RelationState, labels: Labels, settings: Settings, *, still: Tensor | None) -> RelationState:
    """Eq. 1 for one batch, unless `still` holds True; a run that finds no target missing counts as if it knew."""
    positive, observed = labels.positive, labels.observed
    mask = None if observed is None else tf.cast(observed, positive.dtype)
    every = None if observed is None else tf.reduce_all(observed)
    ones = TENSORFLOW.sum(positive, axis=0, keepdims=True)

    def moved(start: Tensor, rows: int, carry: list[Tensor]) -> list[Tensor]:
        old = RelationState(*(_rows(part, start, rows, -2) for part in carry))

        def counted(mask: Tensor | None) -> RelationState:
            counts = row_counts(
                TENSORFLOW, positive, mask, labels.rows, ones, lambda tensor: _rows(tensor, start, rows, -1)
            )
            cast = (part if isinstance(part, int) else tf.cast(part, old.relation_weight.dtype) for part in counts)
            return update_state(TENSORFLOW, old, PairCounts(*cast), settings)

        new = counted(None) if every is None else tf.cond(every, lambda: counted(None), lambda: counted(mask))
        if still is not None:
            new = [tf.where(still, before, after) for before, after in zip(old, new, strict=True)]
        return [_put(part, own, start, -2) for part, own in zip(carry, new, strict=True)]

    return RelationState(*_loop(labels.positive.shape[1], moved, list(state)))


class RowPairs(NamedTuple):
    """The pair weights of a relation, of which no more than some rows are made at a time.

    Attributes:
        state: the accumulators.
        settings: thresholds, measure, estimator and normalization count.
        columns: the labels that the products are of: all.
    """

    state: RelationState
    settings: Settings
    columns: None = None

    def products(self, ns: Namespace, q: Tensor, q2: Tensor) -> Products:
        """The products with centred probabilities q, given their squares too; they cannot be differentiated."""
        num_labels, symmetric = q.shape[1], is_symmetric(self.settings)
        code = code_pairs(TENSORFLOW, *select_pairs(TENSORFLOW, self.state, self.settings), symmetric=symmetric)
        # A tape would ask the loop for a gradient, which it has not, though the loss has another.
        code, q, powers = map(tf.stop_gradient, (tf.cast(code, tf.int8), q, tf.concat([q, q2, q2 * q], axis=0)))

        def multiplied(start: Tensor, rows: int, carry: list[Tensor]) -> list[Tensor]:
            own = multiply_rows(
                TENSORFLOW, _rows(code, start, rows, -2), q, powers, lambda tensor: _rows(tensor, start, rows, -1)
            )
            return [_put(part, new, start, -1) for part, new in zip(carry, own, strict=True)]

        room = [tf.zeros_like(q), tf.zeros_like(powers), *(tf.zeros((1, num_labels), q.dtype) for _ in range(2))]
        rows = RowProducts(*_loop(num_labels, multiplied, room))
        return all_products(
            TENSORFLOW,
            rows,
            tf.split(rows.powers, 3),
            num_labels=num_labels,
            symmetric=symmetric,
            normalization=self.settings.normalization,
        )

    def whole(self, like: Tensor) -> PairLaplacians:
        """The same as matrices, whose products can be differentiated."""
        num_labels = self.state.relation_weight.shape[1]
        return state_laplacians(TENSORFLOW, self.state, self.settings, num_labels=num_labels, like=like)
