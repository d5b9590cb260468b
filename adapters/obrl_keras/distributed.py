"""Graphs and replicas of TensorFlow: in which order, and over which parts of a batch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from keras import backend, ops

from obrl.counts import PairCounts, pair_counts
from obrl_keras.inputs import Labels
from obrl_keras.namespace import KERAS


def after(*tensors: Any) -> Any:
    """A context whose operations run once these are there, so that a batch that fails has moved nothing."""
    if backend.backend() != "tensorflow":
        return nullcontext()
    return sys.modules["tensorflow"].control_dependencies([tensor for tensor in tensors if tensor is not None])


def replica_context() -> Any:
    """TensorFlow's replica context, where more than one replica sees a part of the batch; else None.

    With JAX the batch is one global array, so its counts are those of the whole batch already.
    """
    if backend.backend() != "tensorflow":
        return None
    context = sys.modules["tensorflow"].distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def check_scope(context: Any, variable: Any) -> None:
    """Raise ValueError unless the variable was made within the strategy's scope; each replica would move it again."""
    if not context.strategy.extended.variable_created_in_scope(variable):
        raise ValueError(
            "the relation must be made within strategy.scope(), so that all replicas share it, got one made outside"
        )


@contextmanager
def own_losses(layer: Any) -> Iterator[None]:
    """Keep the losses that this replica has added to a model, while the replicas meet, in a sum or an assignment.

    Their threads take turns there, and all of them clear and fill the same lists of the same layers.
    """
    layers = layer._get_call_context().entry_layer._flatten_layers()
    kept = [(each._losses, list(each._losses)) for each in layers]
    yield
    for losses, own in kept:
        losses.clear()
        losses.extend(own)


def count_batch(labels: Labels, context: Any) -> PairCounts:
    """The pair counts of a batch, over all replicas: one SUM all-reduce of n, s and r.

    Args:
        labels: this replica's part.
        context: of `replica_context`, or None to count this part alone.
    """
    positive, observed = labels.positive, labels.observed
    mask = None if observed is None else KERAS.cast(observed, like=positive)
    if context is None:
        return pair_counts(KERAS, positive, mask, labels.rows)
    counts = pair_counts(KERAS, positive, ops.ones_like(positive) if mask is None else mask, labels.rows)
    packed = ops.stack([counts.n, counts.s, counts.r])
    n, s, r = KERAS.unstack(context.all_reduce("SUM", packed))
    return PairCounts(n, s, r, KERAS.transpose(r))
