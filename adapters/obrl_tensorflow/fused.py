"""`impl="fused"`: the relation and the loss in native code, how the loss is differentiated, and where it cannot run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from obrl.algebra import pair_laplacians
from obrl.counts import MAX_EXACT_COUNT
from obrl.online import RelationState
from obrl.settings import Settings
from obrl_keras.graphs import check_scope, replica_context
from obrl_native import cpu
from obrl_native.cpu import MAX_LABELS
from obrl_tensorflow import cuda, native
from obrl_tensorflow.functions import Problem, Results, chain_rule, slope
from obrl_tensorflow.inputs import split_labels
from obrl_tensorflow.namespace import TENSORFLOW, Tensor
from obrl_tensorflow.relation import assign, values_of
from obrl_tensorflow.rows import in_xla


def is_taken(impl: str) -> bool:
    """Whether native code runs: where `impl="fused"` asks for it, but in what XLA compiles, which has none."""
    return impl == "fused" and not in_xla()


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether the kernels of a GPU are to take a tensor; in a graph that says nothing, wherever there is one."""
    return "GPU" in tensor.device if tensor.device else bool(tf.config.list_logical_devices("GPU"))


def _kernels(tensor: Tensor) -> Any:
    """The module that has kernels for where a tensor is."""
    return cuda if is_on_gpu(tensor) else native


def _lies_here(variable: tf.Variable) -> bool:
    """Whether a variable has one place, in the memory of this process: native code may write there."""
    device = tf.DeviceSpec.from_string(variable.device)
    is_local = device.job == "localhost" and device.device_type == "CPU"
    return is_local and not isinstance(variable, tf.distribute.DistributedValues)


def check(logits: Tensor, num_labels: int) -> None:
    """Raise where the native code cannot run; sizes that a graph leaves open are checked when it runs.

    Raises:
        ImportError: it cannot be built here, or the GPU's driver is missing.
        ValueError: a batch or a relation that is too large, or float64 on a GPU.
    """
    rows = logits.shape[0]
    if (rows or 0) > MAX_EXACT_COUNT or num_labels > MAX_LABELS:
        raise ValueError(
            f'impl="fused" takes at most {MAX_EXACT_COUNT} rows and {MAX_LABELS} labels, got {rows} and {num_labels}'
        )
    if is_on_gpu(logits) and logits.dtype == tf.float64:
        raise ValueError('impl="fused" computes in float32 on a GPU, got float64 logits; impl="plain" takes them')
    _kernels(logits).operations()


def advance(
    logits: Tensor,
    variables: RelationState,
    targets: Tensor,
    observed: Tensor | None,
    settings: Settings,
    *,
    still: Tensor | bool,
) -> Tensor:
    """Eq. 1 for one batch: moves the variables, unless `still` holds True, and gives the codes of the pairs then.

    The logits say which kernels run: targets may be elsewhere, as a data set gives them.
    """
    kernels, context = _kernels(logits), replica_context(tf)
    if context is None and kernels is native and all(map(_lies_here, variables)):
        return native.move_variables(targets, observed, variables, still, settings)
    state = values_of(variables)
    if context is None:
        moved = kernels.move_relation(targets, observed, None, state, still, settings)
    else:
        check_scope(context, variables.relation_weight)
        counts = context.all_reduce("SUM", kernels.count_pairs(targets, observed))
        moved = kernels.move_relation(None, None, counts, state, still, settings)
    assign(variables, moved.state)
    code: Tensor = moved.code
    return code


def code_pairs(logits: Tensor, variables: RelationState, settings: Settings) -> Tensor:
    """The codes of the pairs of a relation that stays as it is, for some logits."""
    return _kernels(logits).code_pairs(values_of(variables), settings)


def code_relation(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The codes of pairs, (num_labels, num_labels) bool each, for some logits; each direction counts half."""
    signs = tf.cast(positive, tf.float32) - tf.cast(negative, tf.float32)
    state = RelationState(signs, tf.ones_like(signs))
    settings = Settings(positive_threshold=0.5, negative_threshold=-0.5, measure="conditional")
    return _kernels(logits).code_pairs(state, settings)


class FusedProblem(NamedTuple):
    """A loss to evaluate at some logits; the arrays as they came.

    Attributes:
        targets: (batch, num_labels), NaN where missing; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch,), or None.
        pos_weight: num_labels numbers, or None.
        code: of the pairs, as the kernels for the logits write them.
        alpha: weight of L_B.
        normalization: `"all_pairs"` or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    targets: Tensor | None
    observed: Tensor | None
    sample_weight: Tensor | None
    pos_weight: Sequence[float] | None
    code: Tensor
    alpha: float
    normalization: str
    reduction: str

    def terms(self, logits: Tensor, *, dtype: tf.DType, parts: bool) -> Results:
        """The terms, ready to be differentiated with respect to the logits alone.

        Args:
            logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
            dtype: to compute in.
            parts: whether L_E and L_B are wanted too, ready to be differentiated on their own.
        """
        weight = self.sample_weight
        found: Results = _kernels(logits).loss_terms(
            tf.cast(logits, dtype),
            self.targets,
            self.observed,
            None if weight is None else tf.cast(weight, dtype),
            None if self.pos_weight is None else tf.constant(self.pos_weight, dtype),
            self.code,
            alpha=self.alpha,
            normalization=self.normalization,
            reduction=self.reduction,
            parts=parts and self.targets is not None,
        )
        return found


@tf.RegisterGradient("ObrlLossTerms")
def _gradients(operation: Any, *upstream: Tensor) -> list[Tensor | None]:
    """With respect to the logits, from the gradients that were computed with the terms; to nothing else."""
    number = operation.get_attr("reduction")
    return _with_respect_to_logits(operation, upstream, next(k for k, v in cpu.REDUCTIONS.items() if v == number))


@tf.RegisterGradient("ObrlCudaLossTerms")
def _cuda_gradients(operation: Any, *upstream: Tensor) -> list[Tensor | None]:
    return _with_respect_to_logits(operation, upstream, "none")


def _with_respect_to_logits(operation: Any, upstream: Results, reduction: str) -> list[Tensor | None]:
    count = operation.get_attr("num_terms")
    gradients = operation.outputs[count:]
    alpha = native.double(operation.get_attr("alpha"))
    found = slope(
        operation.inputs[0],
        upstream[:count],
        lambda *upstream: chain_rule(gradients, upstream, alpha=alpha, reduction=reduction),
        lambda: _plain(operation, alpha, reduction),
    )
    return [found, *[None] * (len(operation.inputs) - 1)]


def _plain(operation: Any, alpha: float, reduction: str) -> Problem:
    """The same loss, for the algebra, which second derivatives come from."""
    inputs = list(operation.inputs)
    x, code = inputs.pop(0), inputs.pop()
    on_gpu = operation.type == "ObrlCudaLossTerms"

    def taken(name: str) -> Tensor | None:
        return inputs.pop(0) if operation.get_attr(name) else None

    targets, observed = taken("num_targets"), None if on_gpu else taken("num_observed")
    weight, pos_weight = inputs if on_gpu else (taken("num_sample_weights"), taken("num_pos_weights"))
    labels = None if targets is None else split_labels(targets, observed, read_values=False)
    num_labels, rows = x.shape[1], x.shape[0]
    row = -(-num_labels // 16) * 16 if on_gpu else num_labels
    square = tf.reshape(tf.reshape(code, (-1,))[: num_labels * row], (num_labels, row))[:, :num_labels]
    pairs = pair_laplacians(
        TENSORFLOW,
        0.5 * tf.cast(square & 3, x.dtype),
        0.5 * tf.cast(square // 4, x.dtype),
        num_labels=num_labels,
        symmetric=True,
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
        rows=tf.cast(tf.shape(x)[0], x.dtype) if rows is None else rows,
    )
