"""The relation loss as a pure function."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from obrl.arrays import relation_matrix
from obrl.errors import check_impl
from obrl.online import relation_laplacians, threshold_pairs
from obrl.problem import Problem
from obrl.settings import check_relation_loss
from obrl_tensorflow import fused
from obrl_tensorflow.functions import differentiable_terms
from obrl_tensorflow.inputs import as_tensor, computation_dtype, metadata, row_count
from obrl_tensorflow.namespace import TENSORFLOW, Tensor


def relation_loss(
    logits: Any,
    relation: Any,
    *,
    positive_threshold: float = 0.8,
    negative_threshold: float = 0.2,
    normalization: str = "all_pairs",
    reduction: str = "mean",
    impl: str = "auto",
) -> Tensor:
    """L_B (Eq. 2) under a relation that the caller hands in, without state.

    Args:
        logits: x, (batch, num_labels), floating point.
        relation: R, (num_labels, num_labels), any real scale; NaN, or masked, is no evidence. Where it is not
            symmetric, each direction counts half. It gets no gradient.
        positive_threshold: r_p of Eq. 3.
        negative_threshold: r_n of Eq. 3, below it.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
        impl: `"auto"` computes the gradient with the value; `"plain"` leaves it to TensorFlow; `"fused"` does as
            `"auto"` in native code, and raises under `jit_compile=True`.

    Returns:
        A scalar, or (batch,) with `reduction="none"`; float64 for float64 logits, else float32.

    Raises:
        TypeError, ValueError: what was expected and what came.
        ImportError: with `impl="fused"`, native code cannot be built here.

    Example:
        >>> import tensorflow as tf
        >>> float(relation_loss(tf.zeros((1, 2)), tf.eye(2)))
        0.25
    """
    x = as_tensor("logits", logits)
    matrix = as_tensor("relation", relation_matrix(relation) if isinstance(relation, np.ndarray) else relation)
    r_p, r_n = check_relation_loss(
        metadata(x),
        metadata(matrix),
        positive_threshold=positive_threshold,
        negative_threshold=negative_threshold,
        normalization=normalization,
        reduction=reduction,
    )
    check_impl(impl)
    dtype = computation_dtype(x)
    values = tf.cast(tf.stop_gradient(matrix), tf.float64 if matrix.dtype == tf.float64 else tf.float32)
    known = ~tf.math.is_nan(values)
    if impl == "fused":
        fused.check(x, matrix.shape[0])
        code = fused.code_relation(x, *threshold_pairs(TENSORFLOW, values, known, r_p, r_n))
        how: dict[str, Any] = {"normalization": normalization, "reduction": reduction, "dtype": dtype}
        return fused.loss_terms(x, None, None, None, None, code, alpha=1.0, **how, parts=False)[0]
    like = tf.zeros((), dtype)
    pairs = relation_laplacians(TENSORFLOW, values, known, r_p, r_n, normalization=normalization, like=like)
    loss = Problem(None, None, None, None, pairs, 1.0, reduction, row_count(x, dtype))
    return differentiable_terms(x, loss, dtype=dtype, impl=impl, parts=False)[0]
