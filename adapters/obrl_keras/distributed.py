"""Counting over all replicas of a batch."""

from __future__ import annotations

import sys
from typing import Any

from keras import backend, ops

from obrl.counts import PairCounts, pair_counts
from obrl_keras.inputs import Labels
from obrl_keras.namespace import KERAS


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
