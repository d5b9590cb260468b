"""The relation loss as a pure function."""

from __future__ import annotations

import torch
from torch import Tensor

from obrl import errors
from obrl.algebra import pair_laplacians
from obrl.errors import check_impl
from obrl.online import threshold_pairs
from obrl.settings import check_relation_loss
from obrl_torch.functions import Problem, differentiable_terms
from obrl_torch.inputs import computation_dtype, metadata, without_autocast
from obrl_torch.namespace import TORCH


def relation_loss(
    logits: Tensor,
    relation: Tensor,
    *,
    positive_threshold: float = 0.8,
    negative_threshold: float = 0.2,
    normalization: str = "all_pairs",
    reduction: str = "mean",
    impl: str = "auto",
) -> Tensor:
    """L_B (Eq. 2) under a given relation, without state.

    Args:
        logits: x, (batch, num_labels), floating point.
        relation: R, (num_labels, num_labels), any real scale; NaN is no evidence. Where it is not symmetric, each
            direction counts half. It gets no gradient.
        positive_threshold: r_p of Eq. 3.
        negative_threshold: r_n of Eq. 3, below it.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
        impl: `"auto"` computes the gradient with the value; `"plain"` leaves it to autograd; `"fused"` runs in the
            kernels of a GPU, or on a CPU in native code.

    Returns:
        A scalar, or (batch,) with `reduction="none"`; float64 for float64 logits, else float32.

    Raises:
        TypeError, ValueError: what was expected and what came.

    Example:
        >>> import torch
        >>> relation_loss(torch.zeros(1, 2), torch.eye(2))
        tensor(0.2500)
    """
    matrix, scores = metadata("relation", relation), metadata("logits", logits)
    r_p, r_n = check_relation_loss(
        scores,
        matrix,
        positive_threshold=positive_threshold,
        negative_threshold=negative_threshold,
        normalization=normalization,
        reduction=reduction,
    )
    errors.check_device("relation", matrix, "logits", scores)
    check_impl(impl)
    dtype = computation_dtype(logits)
    if impl == "fused":
        return _fused(logits, relation, r_p, r_n, normalization=normalization, reduction=reduction)
    with without_autocast(logits.device.type):
        with torch.no_grad():
            values = relation.to(torch.promote_types(relation.dtype, torch.float32))
            positive, negative = threshold_pairs(TORCH, values, ~torch.isnan(values), r_p, r_n)
            like = values.new_empty((), dtype=dtype)
            pairs = pair_laplacians(
                TORCH,
                positive,
                negative,
                num_labels=relation.shape[0],
                symmetric=False,
                normalization=normalization,
                like=like,
            )
        problem = Problem(None, None, None, None, pairs, 1.0, reduction)
        return differentiable_terms(logits, problem, dtype=dtype, impl=impl, parts=False)[0]


def _fused(logits: Tensor, relation: Tensor, r_p: float, r_n: float, *, normalization: str, reduction: str) -> Tensor:
    from obrl_torch import fused

    fused.check_fused(logits)
    codes = fused.code_relation(relation, r_p, r_n)
    problem = fused.FusedProblem(None, None, None, None, codes, 1.0, normalization, reduction)
    return fused.fused_terms(logits, problem, dtype=computation_dtype(logits), parts=False)[0]
