"""Eq. 1 in a graph or on several replicas of TensorFlow: unknown sizes, the order of operations, sums over replicas.

The module `tensorflow` is an argument: `import obrl.keras` must not import it where it is not Keras's backend.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

from keras import backend, ops

from obrl.counts import PairCounts, pair_counts
from obrl.errors import ORDER
from obrl.labels import LEAST_KNOWN, ONLY_ONES, ONLY_ONES_REMEDY, Labels, without_ignored
from obrl.namespace import Namespace
from obrl.online import RelationState, update_state
from obrl.settings import Settings
from obrl_keras import compat
from obrl_keras.namespace import Tensor

MISSING = (
    "If -1 means missing: ignore_index=-1 of the loss or layer (integer targets), NaN (floating point), or "
    "observed=targets != -1. If -1 means absent: (targets + 1) / 2."
)
"""What the error of a graph says of targets outside [0, 1], of which it cannot know which number means missing."""


def tensorflow_backend() -> Any:
    """The module `tensorflow` where it is Keras's backend, else None."""
    return sys.modules["tensorflow"] if backend.backend() == "tensorflow" else None


def with_shape(tensorflow: Any, tensor: Tensor, shape: tuple[int | None, ...]) -> Tensor:
    """The tensor, of this shape where a graph does not know it; that is checked when the graph runs."""
    rank = tensor.shape.rank
    is_open = rank is None or (rank == len(shape) and None in tuple(tensor.shape)[1:])
    return tensorflow.ensure_shape(tensor, shape) if is_open else tensor


def with_rows_of(tensorflow: Any, tensor: Tensor, other: Tensor) -> Tensor:
    """The tensor, with as many rows as another; where a graph does not know, that is checked when it runs."""
    if None not in (tensor.shape[0], other.shape[0]):
        return tensor
    rows, expected = tensorflow.shape(tensor)[0], tensorflow.shape(other)[0]
    message = "logits, targets, observed and sample_weight must have as many rows, one a sample"
    same = tensorflow.debugging.assert_equal(rows, expected, message)
    with tensorflow.control_dependencies([] if same is None else [same]):
        return tensorflow.identity(tensor)


class RefusalWords(NamedTuple):
    """The words of an error about values: before the smallest, before the largest, and after both."""

    before: str
    between: str
    remedy: str


RangeCheck = Callable[[Tensor, Tensor | None, RefusalWords], Any]
"""A function of targets, a mask of those that are known (or None) and the words of the error, which gives the operation
that stops a graph where a known target lies outside [0, 1]."""


def with_value_checks(
    tensorflow: Any,
    targets: Tensor,
    observed: Tensor | None,
    ignore_index: int | None,
    validate: bool | None,
    *,
    range_check: RangeCheck | None = None,
) -> Tensor:
    """The targets; a graph of TensorFlow stops at those that eager mode refuses, before anything moves.

    These are observed targets outside of [0, 1], and those that `obrl.labels.check_ignored` refuses.

    Args:
        tensorflow: the module, or None on another backend, where a graph cannot stop.
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool, or None, as the caller of the loss gave it.
        ignore_index: the number that marks missing targets, or None.
        validate: as in the losses. None checks where no GPU is visible, since a GPU would wait for the host.
        range_check: what checks the range; None takes TensorFlow's operations.

    Graphs that XLA compiles leave such checks out.
    """
    if tensorflow is None or tensorflow.executing_eagerly() or targets.dtype.is_bool or validate is False:
        return targets
    if validate is None and tensorflow.config.list_logical_devices("GPU"):
        return targets
    words = RefusalWords(
        "targets must lie in [0, 1] (0 or 1, or soft in between), got values from",
        "to",
        f"{MISSING} If they are logits: {ORDER}" if targets.dtype.is_floating else MISSING,
    )
    range_check = range_check or partial(_range_check, tensorflow)
    checks = [range_check(targets, without_ignored(targets, observed, ignore_index), words)]
    if ignore_index == -1:
        checks.append(_ignored_check(tensorflow, targets, observed))
    with tensorflow.control_dependencies(checks):
        return tensorflow.identity(targets)


def _range_check(tensorflow: Any, targets: Tensor, known: Tensor | None, words: RefusalWords) -> Any:
    """A `RangeCheck` by TensorFlow's operations."""
    zeros = tensorflow.zeros_like(targets)
    values = targets if known is None else tensorflow.where(known, targets, zeros)
    if targets.dtype.is_floating:
        values = tensorflow.where(tensorflow.math.is_nan(values), zeros, values)
    low, high = tensorflow.reduce_min(values), tensorflow.reduce_max(values)
    shown = [words.before, low, words.between, high, words.remedy]
    return tensorflow.debugging.Assert((low >= 0) & (high <= 1), shown)


def _ignored_check(tensorflow: Any, targets: Tensor, observed: Tensor | None) -> Any:
    """The operation that stops a graph where -1 seems to mean absent, as `obrl.labels.check_ignored` has it."""
    parts = (targets == -1, targets != -1, targets == 1)
    observed_parts = parts if observed is None else (part & observed for part in parts)
    missing, known, ones = (tensorflow.math.count_nonzero(part) for part in observed_parts)
    words = [ONLY_ONES, missing, "times -1,", known, "times 1 and no 0.", ONLY_ONES_REMEDY]
    return tensorflow.debugging.Assert((missing == 0) | (known < LEAST_KNOWN) | (known > ones), words)


def after(tensorflow: Any, *tensors: Tensor | None) -> Any:
    """A context whose operations wait for these tensors and their checks, so that a bad batch moves nothing."""
    if tensorflow is None:
        return nullcontext()
    return tensorflow.control_dependencies([tensor for tensor in tensors if tensor is not None])


def replica_context(tensorflow: Any) -> Any:
    """TensorFlow's replica context where several replicas share the batch; else None.

    JAX needs none: its batch is one global array, so its counts are those of the whole batch.
    """
    context = None if tensorflow is None else tensorflow.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def check_scope(context: Any, variable: Any) -> None:
    """Raise ValueError unless the variable was created in the strategy's scope; else each replica would move it."""
    if not context.strategy.extended.variable_created_in_scope(variable):
        raise ValueError(
            "the relation must be built within strategy.scope(), so that all replicas share it, got one built outside"
        )


@contextmanager
def keep_added_losses(layer: Any) -> Iterator[None]:
    """Restore the losses that the running replica has added to its model, after an operation that waits for others.

    The threads of the replicas take turns at such an operation (a sum over replicas, an assignment). All of them clear
    and fill the same lists of the same layers, so each would find those of another when its turn comes again.
    """
    layers = compat.nested_layers(compat.outermost_layer(layer))
    copies = [(losses, list(losses)) for losses in map(compat.added_losses, layers)]
    yield
    for losses, copy in copies:
        losses.clear()
        losses.extend(copy)


def next_state(
    ns: Namespace,
    state: RelationState,
    labels: Labels,
    rows: int | Tensor,
    settings: Settings,
    *,
    tensorflow: Any,
    context: Any,
) -> RelationState:
    """Eq. 1 for one batch.

    A graph for a CPU checks at run time whether a target is missing: without one, one matrix product replaces three. On
    a GPU this check would make the host wait.

    Args:
        ns: the framework's functions.
        state: the accumulators.
        labels: the batch, or this replica's part of it; `positive` in the dtype to count in.
        rows: the size of the batch: an int, or a scalar tensor in that dtype.
        settings: decay, measure and estimator count.
        tensorflow: the module, or None where another backend runs.
        context: of `replica_context`, or None to count this part alone.
    """

    def updated_state(observed: Tensor | None) -> RelationState:
        counts = _count_batch(ns, labels.positive, observed, rows, context)
        like = state.relation_weight
        parts = (part if isinstance(part, int) else ns.cast(part, like=like) for part in counts)
        return update_state(ns, state, PairCounts(*parts), settings)

    observed = labels.observed
    if observed is None or context is not None or not _can_branch(tensorflow, observed):
        return updated_state(observed)
    every, cond = (ops.all, ops.cond) if tensorflow is None else (tensorflow.reduce_all, tensorflow.cond)
    return RelationState(*cond(every(observed), lambda: updated_state(None), lambda: updated_state(observed)))


def _can_branch(tensorflow: Any, observed: Tensor) -> bool:
    """Whether a graph is traced that will run on a CPU."""
    if tensorflow is not None:
        return not tensorflow.executing_eagerly() and not tensorflow.config.get_visible_devices("GPU")
    if backend.backend() != "jax":
        return False
    jax = sys.modules["jax"]
    return isinstance(observed, jax.core.Tracer) and jax.default_backend() == "cpu"


def _count_batch(
    ns: Namespace, positive: Tensor, observed: Tensor | None, rows: int | Tensor, context: Any
) -> PairCounts:
    """The pair counts of a batch, over all replicas: one SUM all-reduce of n, s and r."""
    counts = pair_counts(ns, positive, None if observed is None else ns.cast(observed, like=positive), rows)
    if context is None:
        return counts
    packed = ns.stack([counts.n, counts.s, counts.r], like=counts.s)
    n, s, r = ns.unstack(context.all_reduce("SUM", packed))
    return PairCounts(n, s, r, ns.transpose(r))
