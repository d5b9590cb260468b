"""The losses in keras.ops; the backend differentiates them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from obrl.algebra import LossTerms, PairLaplacians
from obrl.arrays import unmask_labels
from obrl.labels import Labels
from obrl.namespace import NUMPY
from obrl.online import RelationState, state_laplacians
from obrl.problem import Problem, evaluate
from obrl.settings import Settings
from obrl_keras.inputs import check_metadata, may_read_values, row_count, split_labels
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
    """
    dtype = computation_dtype(logits)
    x = ops.cast(logits, dtype)
    problem = Problem(
        targets=ops.cast(labels.targets, dtype),
        observed=labels.observed,
        sample_weight=None if sample_weight is None else ops.expand_dims(ops.cast(sample_weight, dtype), 1),
        pos_weight=None if pos_weight is None else ops.expand_dims(ops.cast(pos_weight, dtype), 0),
        pairs=pairs,
        alpha=alpha,
        reduction=reduction,
        rows=row_count(x, x),
    )
    return LossTerms(*evaluate(KERAS, x, problem, gradients_of="none")[0])


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

    Raises:
        TypeError, ValueError: what was expected and what came.
    """
    num_labels = len(state.relation_weight)
    targets, observed = unmask_labels(targets, observed)
    check_metadata(logits, targets, observed, sample_weight, num_labels=num_labels)
    logits, targets, observed, sample_weight = (
        None if part is None else ops.convert_to_tensor(part) for part in (logits, targets, observed, sample_weight)
    )
    labels = split_labels(targets, observed, read_values=may_read_values(validate, targets, observed))
    like = np.zeros((), computation_dtype(logits))
    pairs = state_laplacians(NUMPY, state, settings, num_labels=num_labels, like=like)
    pairs = PairLaplacians(
        mixed=ops.convert_to_tensor(pairs.mixed),
        negative=ops.convert_to_tensor(pairs.negative),
        negative_total=float(pairs.negative_total),
        scale=float(pairs.scale),
    )
    return loss_terms(logits, labels, sample_weight, pos_weight, pairs, alpha=settings.alpha, reduction=reduction)
