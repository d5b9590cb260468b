"""`impl="fused"`: the loss and the relation in native code, on a CPU or a CUDA device, and the loss's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from obrl.algebra import coded_laplacians
from obrl.counts import MAX_EXACT_COUNT
from obrl.online import RelationState
from obrl.problem import Problem
from obrl.settings import Settings
from obrl_keras.graphs import RangeCheck, check_scope, replica_context
from obrl_native.cpu import MAX_LABELS, REDUCTIONS
from obrl_tensorflow import cuda, native
from obrl_tensorflow.compat import in_xla
from obrl_tensorflow.functions import Results, chain, logits_gradient
from obrl_tensorflow.inputs import Batch, row_count, split_labels
from obrl_tensorflow.namespace import TENSORFLOW, Tensor
from obrl_tensorflow.native import attribute_bits, attribute_double, optional
from obrl_tensorflow.relation import assign, values_of


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether a GPU's kernels take a tensor; a graph that does not say runs on a GPU wherever there is one."""
    return "GPU" in tensor.device if tensor.device else bool(tf.config.list_logical_devices("GPU"))


def _operations_for(tensor: Tensor) -> Any:
    """The module whose operations run where a tensor is."""
    return cuda if is_on_gpu(tensor) else native


def check(logits: Tensor, num_labels: int) -> None:
    """Raise where the native code cannot run; sizes that a graph does not know are checked when it runs.

    Raises:
        ImportError: it cannot be built here, or the GPU's driver is missing.
        ValueError: in what XLA compiles; a batch or a relation that is too large; float64 on a GPU.
    """
    if in_xla():
        raise ValueError(
            'impl="fused" runs native code, which XLA cannot compile, got a function under jit_compile=True (which '
            'model.compile chooses where there is a GPU): use model.compile(..., jit_compile=False), or impl="auto"'
        )
    rows = logits.shape[0]
    if (rows or 0) > MAX_EXACT_COUNT or num_labels > MAX_LABELS:
        raise ValueError(
            f'impl="fused" takes at most {MAX_EXACT_COUNT} rows and {MAX_LABELS} labels, got {rows} and {num_labels}'
        )
    if is_on_gpu(logits) and logits.dtype == tf.float64:
        raise ValueError('impl="fused" computes in float32 on a GPU, got float64 logits; impl="plain" takes them')
    _operations_for(logits).operations()


def range_check(batch: Batch) -> RangeCheck | None:
    """The native check of targets in a graph; None on a GPU, whose memory native code cannot read."""
    return None if is_on_gpu(batch.logits) or is_on_gpu(batch.targets) else native.check_targets


def advance(batch: Batch, variables: RelationState, settings: Settings, *, hold: Tensor | bool) -> Tensor:
    """Eq. 1 for one batch: moves the variables, unless `hold` is True, and gives the codes of the pairs then.

    The logits say which device runs it: targets may be elsewhere, as a data set gives them.
    """
    module, context = _operations_for(batch.logits), replica_context(tf)
    if context is None and module is native and all(map(_is_in_memory, variables)):
        return native.move_variables(batch.targets, batch.observed, variables, hold, settings)
    state = values_of(variables)
    if context is None:
        update = module.move_relation(batch.targets, batch.observed, None, state, hold, settings)
    else:
        check_scope(context, variables.relation_weight)
        counts = context.all_reduce("SUM", module.count_pairs(batch.targets, batch.observed))
        update = module.move_relation(None, None, counts, state, hold, settings)
    assign(variables, update.state)
    code: Tensor = update.code
    return code


def _is_in_memory(variable: tf.Variable) -> bool:
    """Whether a variable has one copy, in the memory of this process, where native code may write."""
    device = tf.DeviceSpec.from_string(variable.device)
    is_local = device.job == "localhost" and device.device_type == "CPU"
    return is_local and not isinstance(variable, tf.distribute.DistributedValues)


def code_pairs(logits: Tensor, variables: RelationState, settings: Settings) -> Tensor:
    """The codes of the pairs of a relation that does not move, on the device of the logits."""
    return _operations_for(logits).code_pairs(values_of(variables), settings)


def code_relation(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The codes of pairs, (num_labels, num_labels) bool each, on the device of the logits; each direction counts half.

    The operations make codes from a state alone. So this writes one, with a relation of 1 where positive, 0 where
    negative and one half elsewhere, under a measure that is not symmetric.
    """
    relation = 0.5 + 0.5 * (tf.cast(positive, tf.float32) - tf.cast(negative, tf.float32))
    state = RelationState(relation, tf.ones_like(relation))
    return _operations_for(logits).code_pairs(state, Settings(measure="conditional"))


def loss_terms(
    logits: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Sequence[float] | None,
    code: Tensor,
    *,
    alpha: float,
    normalization: str,
    reduction: str,
    dtype: tf.DType,
    parts: bool,
) -> Results:
    """L, with `parts` L_E and L_B too, or without targets L_B alone, ready to be differentiated.

    Args:
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        targets: the same shape, NaN where missing; None for L_B alone.
        observed: the same shape, bool, or None.
        sample_weight: (batch,), or None.
        pos_weight: num_labels numbers, or None.
        code: of the pairs, as the operations for the device of the logits write them.
        alpha: weight of L_B.
        normalization: `"all_pairs"` or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
        dtype: to compute in.
        parts: whether to return L_E and L_B too, ready to be differentiated on their own.
    """
    parts = parts and targets is not None
    weight = None if sample_weight is None else tf.cast(sample_weight, dtype)
    factors = None if pos_weight is None else tf.constant(pos_weight, dtype)
    shared = {
        "logits": tf.cast(logits, dtype),
        "code": code,
        "num_terms": 3 if parts else 1,
        "num_gradients": 2 if parts else 1,
        "alpha": attribute_bits(alpha),
        "parts": parts,
        "active_pairs": normalization == "active_pairs",
    }
    terms = _terms_on_gpu if is_on_gpu(logits) else _terms_on_cpu
    return terms(targets, observed, weight, factors, reduction, shared)


def _terms_on_cpu(
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    reduction: str,
    shared: dict[str, Any],
) -> Results:
    """The native code gives the reduced terms."""
    if targets is not None and targets.dtype not in (tf.bool, tf.uint8):
        targets = tf.cast(targets, shared["logits"].dtype)
    terms, _ = native.operations().obrl_loss_terms(
        targets=optional(targets),
        observed=optional(observed),
        sample_weight=optional(sample_weight),
        pos_weight=optional(pos_weight),
        reduction=REDUCTIONS[reduction],
        **shared,
    )
    return tuple(terms)


def _terms_on_gpu(
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    reduction: str,
    shared: dict[str, Any],
) -> Results:
    """The kernels give each sample's terms; TensorFlow reduces them, and differentiates that."""
    x = shared["logits"]
    terms, _ = cuda.operations().obrl_cuda_loss_terms(
        targets=[] if targets is None else [cuda.mark_missing(targets, observed)],
        sample_weight=tf.ones((tf.shape(x)[0],)) if sample_weight is None else sample_weight,
        pos_weight=tf.ones((x.shape[1],)) if pos_weight is None else pos_weight,
        **shared,
    )
    if reduction == "none":
        return tuple(terms)
    share = 1.0 if reduction == "sum" else 1.0 / tf.cast(tf.maximum(tf.shape(x)[0], 1), tf.float32)
    return tuple(tf.reduce_sum(term) * share for term in terms)


@tf.RegisterGradient("ObrlLossTerms")
def _gradient(operation: Any, *upstream: Tensor) -> list[Tensor | None]:
    """With respect to the logits, from the gradients that were computed with the terms; None for all other inputs."""
    number = operation.get_attr("reduction")
    return _scaled_gradient(operation, upstream, next(name for name, code in REDUCTIONS.items() if code == number))


@tf.RegisterGradient("ObrlCudaLossTerms")
def _cuda_gradient(operation: Any, *upstream: Tensor) -> list[Tensor | None]:
    return _scaled_gradient(operation, upstream, "none")


def _scaled_gradient(operation: Any, upstream: Results, reduction: str) -> list[Tensor | None]:
    count = operation.get_attr("num_terms")
    gradients = operation.outputs[count:]
    alpha = attribute_double(operation.get_attr("alpha"))
    gradient = logits_gradient(
        operation.inputs[0],
        upstream[:count],
        lambda *upstream: chain(gradients, upstream, alpha=alpha, reduction=reduction),
        lambda: _as_problem(operation, alpha, reduction),
    )
    return [gradient, *[None] * (len(operation.inputs) - 1)]


def _as_problem(operation: Any, alpha: float, reduction: str) -> Problem:
    """The loss that an operation computed, for the algebra, which second derivatives come from."""
    inputs = list(operation.inputs)
    x, code = inputs.pop(0), inputs.pop()
    on_gpu = operation.type == "ObrlCudaLossTerms"

    def next_input(count: str) -> Tensor | None:
        return inputs.pop(0) if operation.get_attr(count) else None

    targets, observed = next_input("num_targets"), None if on_gpu else next_input("num_observed")
    weight, pos_weight = inputs if on_gpu else (next_input("num_sample_weights"), next_input("num_pos_weights"))
    labels = None if targets is None else split_labels(targets, observed, read_values=False)
    pairs = coded_laplacians(
        TENSORFLOW,
        cuda.unpadded_code(code, x.shape[1]) if on_gpu else code,
        normalization="active_pairs" if operation.get_attr("active_pairs") else "all_pairs",
        like=tf.zeros((), x.dtype),
    )
    return Problem(
        targets=None if labels is None else tf.cast(labels.targets, x.dtype),
        observed=None if labels is None else labels.observed,
        sample_weight=None if weight is None else weight[:, None],
        pos_weight=None if pos_weight is None else pos_weight[None],
        pairs=pairs,
        alpha=alpha,
        reduction=reduction,
        rows=row_count(x, x.dtype),
    )
