"""The losses in keras.ops; the backend differentiates them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from obrl.algebra import LossTerms, PairLaplacians
from obrl.arrays import unmask_labels
from obrl.cross_entropy import CrossEntropy, check_losses, function_arguments, returned_metadata
from obrl.labels import Labels, known_targets
from obrl.namespace import NUMPY
from obrl.online import RelationState, state_laplacians
from obrl.problem import Problem, Reduction, evaluate, joint_terms
from obrl.settings import Settings
from obrl_keras.graphs import tensorflow_backend, with_rows_of, with_shape
from obrl_keras.inputs import (
    check_metadata,
    known_rows,
    may_read_values,
    metadata,
    on_host,
    row_count,
    split_labels,
)
from obrl_keras.namespace import KERAS, Tensor, dtype_name


def computation_dtype(logits: Tensor) -> str:
    """The dtype the loss is computed and returned in: float64 for float64 logits, else float32."""
    return "float64" if dtype_name(logits) == "float64" else "float32"


def loss_terms(
    logits: Tensor,
    labels: Labels,
    sample_weight: Tensor | None,
    pos_weight: Sequence[float] | None,
    pairs: PairLaplacians,
    *,
    alpha: float,
    reduction: str,
    losses: Tensor | None = None,
) -> LossTerms:
    """L, L_E and L_B.

    Args:
        logits: x, (batch, num_labels), in any floating point dtype.
        labels: the targets.
        sample_weight: w, (batch,), or None.
        pos_weight: num_labels numbers, or None.
        pairs: the pair weights, in the dtype to compute in.
        alpha: weight of L_B.
        reduction: `"mean"`, `"sum"` or `"none"`.
        losses: those of `function_losses` in place of Eq. 4, or None.
    """
    dtype = computation_dtype(logits)
    x = ops.cast(logits, dtype)
    problem = Problem(
        targets=ops.cast(labels.targets, dtype) if losses is None else None,
        observed=labels.observed,
        sample_weight=None if sample_weight is None else ops.expand_dims(ops.cast(sample_weight, dtype), 1),
        pos_weight=None if pos_weight is None else ops.expand_dims(ops.cast(pos_weight, dtype), 0),
        pairs=pairs,
        alpha=alpha,
        reduction=reduction,
        rows=row_count(x, x),
    )
    terms = evaluate(KERAS, x, problem, gradients_of="none")[0]
    if losses is None:
        return LossTerms(*terms)
    how = Reduction(reduction, problem.sample_weight, problem.rows)
    return LossTerms(*joint_terms(KERAS, losses, labels.observed, terms[0], how, alpha=alpha))


def function_losses(function: Callable[..., Any], x: Tensor, labels: Labels) -> Tensor:
    """The losses of a function for L_E, (batch, num_labels), which the backend differentiates.

    Args:
        function: of logits and targets.
        x: logits, (batch, num_labels), in the dtype to compute in. `loss_terms` must get the same tensor, so that the
            gradients of both losses add up in this dtype.
        labels: the targets.

    Raises:
        TypeError, ValueError: it returned something else; in a graph that does not know the number of rows, that is
            checked when it runs.
    """
    losses, tensorflow = function(*function_arguments(KERAS, x, labels, like=x)), tensorflow_backend()
    known = (known_rows(x, labels.targets), x.shape[1])
    returned = returned_metadata(lambda name, value: metadata(name, value, known), losses)
    check_losses(returned, metadata("logits", x, known))
    if tensorflow is None:
        return losses
    return with_rows_of(tensorflow, with_shape(tensorflow, losses, tuple(x.shape)), x)


def frozen_terms(
    logits: Any,
    targets: Any,
    observed: Any,
    sample_weight: Any,
    state: RelationState,
    settings: Settings,
    *,
    pos_weight: Sequence[float] | None,
    reduction: str,
    validate: bool | None,
    cross_entropy: CrossEntropy,
    ignore_index: int | None,
) -> LossTerms:
    """L, L_E and L_B under a relation that does not move, on any backend.

    Args:
        logits: x, (batch, num_labels), floating point.
        targets: y, the same shape.
        observed: bool, the same shape, or None.
        sample_weight: w, (batch,), or None.
        state: the accumulators, as NumPy arrays.
        settings: of the loss.
        pos_weight: num_labels numbers, or None.
        reduction: `"mean"`, `"sum"` or `"none"`.
        validate: whether to check the values of targets, as the losses have it.
        cross_entropy: `"bce"`, or a function of tensors of the backend.
        ignore_index: the number that marks missing targets, or None.

    Raises:
        TypeError, ValueError: what was expected and what came.
    """
    num_labels = len(state.relation_weight)
    targets, observed = unmask_labels(targets, observed)
    check_metadata(logits, targets, observed, sample_weight, num_labels=num_labels, ignore_index=ignore_index)
    logits, targets, observed, sample_weight = (
        None if part is None else ops.convert_to_tensor(part) for part in (logits, targets, observed, sample_weight)
    )
    read_values = may_read_values(validate, targets, observed)
    observed = known_targets(targets, observed, ignore_index, on_host=on_host if read_values else None)
    labels = split_labels(targets, observed, read_values=read_values)
    logits = ops.cast(logits, computation_dtype(logits))
    losses = function_losses(cross_entropy, logits, labels) if callable(cross_entropy) else None
    like = np.zeros((), computation_dtype(logits))
    pairs = state_laplacians(NUMPY, state, settings, num_labels=num_labels, like=like)
    pairs = PairLaplacians(
        mixed=ops.convert_to_tensor(pairs.mixed),
        negative=ops.convert_to_tensor(pairs.negative),
        negative_total=float(pairs.negative_total),
        scale=float(pairs.scale),
    )
    how: dict[str, Any] = {"alpha": settings.alpha, "reduction": reduction, "losses": losses}
    return loss_terms(logits, labels, sample_weight, pos_weight, pairs, **how)
