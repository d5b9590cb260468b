"""Graphs and replicas of TensorFlow: which sizes they leave open, in what order they run, who sees which rows.

TensorFlow is handed in: `obrl.tensorflow` has imported it, and here it is there only if it is Keras's backend.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from keras import backend, ops

from obrl.counts import PairCounts, pair_counts
from obrl.namespace import Namespace
from obrl.online import RelationState, update_state
from obrl.settings import Settings
from obrl_keras.inputs import Labels
from obrl_keras.namespace import Tensor


def tensorflow_backend() -> Any:
    """The module `tensorflow` where it is Keras's backend, else None."""
    return sys.modules["tensorflow"] if backend.backend() == "tensorflow" else None


def with_shape(tensorflow: Any, tensor: Tensor, shape: tuple[int | None, ...]) -> Tensor:
    """A tensor whose shape is `shape` wherever a graph does not know it; that is checked when the graph runs."""
    known = tensor.shape
    if known.rank is None or (known.rank == len(shape) and None in tuple(known)[1:]):
        return tensorflow.ensure_shape(tensor, shape)
    return tensor


def with_rows_of(tensorflow: Any, tensor: Tensor, other: Tensor) -> Tensor:
    """A tensor with as many rows as another; where a graph does not know, that is checked when it runs."""
    if None not in (tensor.shape[0], other.shape[0]):
        return tensor
    rows, expected = tensorflow.shape(tensor)[0], tensorflow.shape(other)[0]
    message = "logits, targets, observed and sample_weight must have as many rows, one a sample"
    same = tensorflow.debugging.assert_equal(rows, expected, message)
    with tensorflow.control_dependencies([] if same is None else [same]):
        return tensorflow.identity(tensor)


def after(tensorflow: Any, *tensors: Tensor | None) -> Any:
    """A context whose operations run once these are there, so that a batch that fails has moved nothing."""
    if tensorflow is None:
        return nullcontext()
    return tensorflow.control_dependencies([tensor for tensor in tensors if tensor is not None])


def replica_context(tensorflow: Any) -> Any:
    """TensorFlow's replica context, where more than one replica sees a part of the batch; else None.

    With JAX the batch is one global array, so its counts are those of the whole batch already.
    """
    context = None if tensorflow is None else tensorflow.distribute.get_replica_context()
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


def next_state(
    ns: Namespace, state: RelationState, labels: Labels, settings: Settings, *, tensorflow: Any, context: Any
) -> RelationState:
    """Eq. 1 for one batch.

    A graph for a CPU finds out in the run whether a target is missing: where none is, one product takes the place of
    four. On a GPU that is not worth it: the host would have to wait for the answer.

    Args:
        ns: the framework's functions.
        state: the accumulators.
        labels: the batch, or this replica's part of it.
        settings: decay, measure and estimator count.
        tensorflow: the module, or None where another backend runs.
        context: of `replica_context`, or None to count this part alone.
    """

    def updated(observed: Tensor | None) -> RelationState:
        counts = _count_batch(ns, labels._replace(observed=observed), context)
        like = state.relation_weight
        parts = (part if isinstance(part, int) else ns.cast(part, like=like) for part in counts)
        return update_state(ns, state, PairCounts(*parts), settings)

    observed = labels.observed
    if observed is None or context is not None or not _is_decided_in_the_run(tensorflow, observed):
        return updated(observed)
    every, cond = (ops.all, ops.cond) if tensorflow is None else (tensorflow.reduce_all, tensorflow.cond)
    return RelationState(*cond(every(observed), lambda: updated(None), lambda: updated(observed)))


def _is_decided_in_the_run(tensorflow: Any, observed: Tensor) -> bool:
    if tensorflow is not None:
        return not tensorflow.executing_eagerly() and not tensorflow.config.get_visible_devices("GPU")
    if backend.backend() != "jax":
        return False
    jax = sys.modules["jax"]
    return isinstance(observed, jax.core.Tracer) and jax.default_backend() == "cpu"


def _count_batch(ns: Namespace, labels: Labels, context: Any) -> PairCounts:
    """The pair counts of a batch, over all replicas: one SUM all-reduce of n, s and r."""
    positive = labels.positive
    mask = None if labels.observed is None else ns.cast(labels.observed, like=positive)
    counts = pair_counts(ns, positive, mask, labels.rows)
    if context is None:
        return counts
    packed = ns.stack([counts.n, counts.s, counts.r], like=counts.s)
    n, s, r = ns.unstack(context.all_reduce("SUM", packed))
    return PairCounts(n, s, r, ns.transpose(r))
