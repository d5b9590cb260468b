"""The relation loss: as a module with a relation of its own, and as a function of a given relation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from obrl import errors
from obrl.errors import check_impl
from obrl.online import relation_laplacians
from obrl.settings import check_relation_loss
from obrl_torch import fused
from obrl_torch.fused_relation import code_relation
from obrl_torch.inputs import computation_dtype, metadata, without_autocast
from obrl_torch.loss import Criterion
from obrl_torch.namespace import TORCH
from obrl_torch.one_pass import differentiable_terms
from obrl_torch.plain import PlainLoss


class RelationLoss(Criterion):
    """L_B alone (Eq. 2) with its own relation, to add to any other loss: `focal(x, y) + 0.5 * relation_loss(x, y)`.

    The arguments, the state and when it moves are those of `OBRLoss`, without alpha, pos_weight and
    cross_entropy.

    Example:
        >>> import torch
        >>> criterion = RelationLoss(2)
        >>> logits = torch.tensor([[3.0, -3.0], [3.0, -3.0]], requires_grad=True)
        >>> round(criterion(logits, torch.tensor([[1, 1], [0, 0]])).item(), 4)
        0.2048
    """

    __module__ = "obrl.torch"
    _joint = False

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        positive_threshold: float = 0.8,
        negative_threshold: float = 0.2,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        normalization: str = "all_pairs",
        reduction: str = "mean",
        ignore_index: int | None = None,
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
        sync: bool = True,
        process_group: dist.ProcessGroup | None = None,
        validate: bool | None = None,
    ) -> None:
        super().__init__(
            num_labels,
            decay=decay,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
            reduction=reduction,
            ignore_index=ignore_index,
            label_names=label_names,
            relation=relation,
            freeze=freeze,
            impl=impl,
            sync=sync,
            process_group=process_group,
            validate=validate,
        )


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
        impl: `"plain"` leaves the gradient to autograd; `"auto"` computes it beside the value; `"fused"` runs in
            Triton's kernels on a GPU and in native code on a CPU.

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
    with without_autocast(logits.device.type):
        if impl == "fused":
            fused.check_fused(logits)
            codes = code_relation(relation, r_p, r_n)
            build = fused.loss_class(logits.device)
            loss: fused.FusedLoss | PlainLoss = build(*[None] * 4, *codes, 1.0, normalization, reduction)
        else:
            with torch.no_grad():
                values = relation.to(torch.promote_types(relation.dtype, torch.float32))
                options: dict[str, Any] = {"normalization": normalization, "like": values.new_empty((), dtype=dtype)}
                pairs = relation_laplacians(TORCH, values, ~torch.isnan(values), r_p, r_n, **options)
            loss = PlainLoss(None, None, None, None, pairs, 1.0, reduction, logits.shape[0])
        return differentiable_terms(logits, loss, dtype=dtype, impl=impl, parts=False)[0]
