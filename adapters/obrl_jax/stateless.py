"""The relation loss as a pure function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from obrl.arrays import relation_matrix
from obrl.errors import check_impl
from obrl.online import relation_laplacians, threshold_pairs
from obrl.settings import check_relation_loss
from obrl_jax.inputs import computation_dtype, metadata
from obrl_jax.namespace import JAX
from obrl_jax.terms import AlgebraLoss, FusedLoss, LossOptions, differentiable_terms


def relation_loss(
    logits: Array,
    relation: Array,
    *,
    positive_threshold: float = 0.8,
    negative_threshold: float = 0.2,
    normalization: str = "all_pairs",
    reduction: str = "mean",
    impl: str = "auto",
) -> Array:
    """L_B (Eq. 2) under a given relation, without state.

    Args:
        logits: x, (batch, num_labels), floating point.
        relation: R, (num_labels, num_labels), any real scale; NaN, or an entry that NumPy masks, is no evidence. Where
            it is not symmetric, each direction counts half. It gets no gradient.
        positive_threshold: r_p of Eq. 3.
        negative_threshold: r_n of Eq. 3, below it.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
        impl: `"auto"` computes the gradient with the value; `"plain"` leaves it to JAX; `"fused"` runs in native code,
            on a CPU or a CUDA device.

    Returns:
        A scalar, or (batch,) with `reduction="none"`; float64 for float64 logits, else float32.

    Raises:
        TypeError, ValueError: what was expected and what came.

    Example:
        >>> import jax.numpy as jnp
        >>> relation_loss(jnp.zeros((1, 2)), jnp.eye(2))
        Array(0.25, dtype=float32)
    """
    values: Any = relation
    if isinstance(values, np.ma.MaskedArray):
        values = relation_matrix(values)
    matrix = metadata("relation", values)
    r_p, r_n = check_relation_loss(
        metadata("logits", logits),
        matrix,
        positive_threshold=positive_threshold,
        negative_threshold=negative_threshold,
        normalization=normalization,
        reduction=reduction,
    )
    check_impl(impl)
    num_labels, dtype = matrix.shape[0], computation_dtype(logits)
    known = values == values  # NaN alone differs from itself
    # In NumPy where the relation is NumPy's, since `jax_debug_nans` stops at its NaN.
    where = np.where if isinstance(values, np.ndarray) else jnp.where
    values = jax.lax.stop_gradient(jnp.asarray(where(known, values, np.zeros((), values.dtype))))
    values = values.astype(values.dtype if values.dtype == jnp.float64 else jnp.float32)
    known = jnp.asarray(known)
    loss: AlgebraLoss | FusedLoss
    if impl == "fused":
        from obrl_jax import fused

        target = fused.target_of(num_labels, dtype, relation=relation, logits=logits)
        code = fused.code_relation(target, *threshold_pairs(JAX, values, known, r_p, r_n))
        loss = FusedLoss(None, None, None, None, code, target)
    else:
        like = jnp.zeros((), dtype)
        pairs = relation_laplacians(JAX, values, known, r_p, r_n, normalization=normalization, like=like)
        loss = AlgebraLoss(None, None, None, None, pairs)
    options = LossOptions(1.0, reduction, normalization, parts=False)
    return differentiable_terms(options, jnp.asarray(logits), loss, impl=impl)[0]
