"""The joint loss and the relation loss as modules."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from obrl import errors
from obrl.algebra import LossTerms, PairWeights
from obrl.errors import REDUCTIONS, check_choice, check_impl, resolve_update
from obrl.online import RelationState, state_laplacians
from obrl.pairs import describe_criterion
from obrl.settings import Settings
from obrl_torch import fused, host, rows
from obrl_torch.distributed import is_shared
from obrl_torch.functions import differentiable_terms, make_problem
from obrl_torch.inputs import (
    check_values,
    computation_dtype,
    may_read_values,
    metadata,
    optional_metadata,
    split_labels,
    without_autocast,
)
from obrl_torch.namespace import TORCH
from obrl_torch.relation import RelationModule
from obrl_torch.selection import Selection


class _Criterion(RelationModule):
    """A loss with a relation."""

    pos_weight: Tensor | None
    _arrivals: Tensor

    def __init__(
        self,
        num_labels: int,
        settings: Settings,
        *,
        reduction: str,
        pos_weight: Any,
        label_names: Sequence[str] | None,
        relation: Any,
        freeze: bool,
        impl: str,
        sync: bool,
        process_group: dist.ProcessGroup | None,
        validate: bool | None,
    ) -> None:
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl)
        super().__init__(
            num_labels,
            settings,
            label_names=label_names,
            relation=relation,
            sync=sync,
            process_group=process_group,
            validate=validate,
        )
        self.reduction = reduction
        self.freeze = bool(freeze)
        self.impl = impl
        self._selection = Selection()
        self.register_buffer("pos_weight", _pos_weight(pos_weight, self.num_labels), persistent=False)
        self.register_buffer("_arrivals", fused.no_arrivals(None), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self._selection = Selection()  # what is kept would lie in the memory that was left
        self._arrivals = fused.no_arrivals(self.relation_weight.device)  # `to_empty` leaves anything in it
        return self

    def load(self, path: str | os.PathLike[str]) -> None:
        """Put the relation of a file in place of the present one.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator. The state is then as it was.
        """
        self._load(path)

    def _terms(
        self,
        logits: Tensor,
        targets: Tensor,
        observed: Tensor | None,
        sample_weight: Tensor | None,
        update: bool | None,
        *,
        joint: bool,
        parts: bool,
    ) -> tuple[Tensor, ...]:
        errors.check_batch(
            metadata("logits", logits),
            metadata("targets", targets),
            optional_metadata("observed", observed),
            optional_metadata("sample_weight", sample_weight),
            num_labels=self.num_labels,
        )
        self._check_device("logits", logits)
        moves = resolve_update(update, default=self.training and torch.is_grad_enabled(), freeze=self.freeze)
        if self._in_kernels(logits, targets if joint else None, sample_weight):
            return self._fused_terms(logits, targets, observed, sample_weight, moves=moves, joint=joint, parts=parts)
        labels = split_labels(targets, observed, read_values=may_read_values(self.validate, targets))
        dtype = computation_dtype(logits)
        with without_autocast(logits.device.type):
            with torch.no_grad():
                state = self._state()
                views = host.state_arrays(state)
                if moves:
                    self._advance(labels, state, views)
                pairs = self._pairs(state, views, dtype)
            problem = make_problem(
                labels.targets if joint else None,
                labels.observed if joint else None,
                sample_weight,
                self.pos_weight,
                pairs,
                alpha=self.settings.alpha,
                reduction=self.reduction,
                dtype=dtype,
            )
            return differentiable_terms(logits, problem, dtype=dtype, impl=self.impl, parts=parts)

    def _in_kernels(self, logits: Tensor, targets: Tensor | None, sample_weight: Tensor | None) -> bool:
        """Whether the kernels compute the loss; raises where they must and cannot."""
        if self.impl == "plain" or (self.impl == "auto" and not fused.may_be_chosen(logits.device)):
            return False
        given = {"targets": targets, "sample_weight": sample_weight, "pos_weight": self.pos_weight}
        if self.impl == "fused":
            fused.check_fused(logits, *self._state(), **given)
            return True
        if is_shared(sync=self.sync, process_group=self.process_group):
            return False  # over several processes they were not measured
        return fused.is_chosen(logits, *self._state(), **given)

    def _fused_terms(
        self,
        logits: Tensor,
        targets: Tensor,
        observed: Tensor | None,
        sample_weight: Tensor | None,
        *,
        moves: bool,
        joint: bool,
        parts: bool,
    ) -> tuple[Tensor, ...]:
        state = self._state()
        if may_read_values(self.validate, targets):
            check_values(targets, observed)
        with torch.no_grad():
            if moves:
                codes = fused.move_and_code(
                    state,
                    self._arrivals,
                    targets,
                    observed,
                    self.settings,
                    sync=self.sync,
                    process_group=self.process_group,
                )
            else:
                codes = fused.code(state, self.settings)
        problem = fused.FusedProblem(
            targets=targets if joint else None,
            observed=observed if joint else None,
            sample_weight=sample_weight,
            pos_weight=self.pos_weight,
            codes=codes,
            alpha=self.settings.alpha,
            normalization=self.settings.normalization,
            reduction=self.reduction,
        )
        return fused.fused_terms(logits, problem, dtype=computation_dtype(logits), parts=parts)

    def _pairs(self, state: RelationState, views: RelationState | None, dtype: torch.dtype) -> PairWeights:
        """Eq. 3 on a state, of which `views` are the arrays, where the host may look, in the form that suits it."""
        if views is not None:
            return self._selection.laplacians(views, self.settings, dtype)
        if self.impl == "auto" and torch.compiler.is_compiling() and rows.are_taken(state):
            return rows.RowPairs(state, self.settings)
        like = state.relation_weight.new_empty((), dtype=dtype)
        return state_laplacians(TORCH, state, self.settings, num_labels=self.num_labels, like=like)

    def _describe(self, *extra: str) -> str:
        return describe_criterion(
            self._host_state(), self.settings, *extra, reduction=self.reduction, freeze=self.freeze
        )


def _pos_weight(pos_weight: Any, num_labels: int) -> Tensor | None:
    if pos_weight is None:
        return None
    weights = torch.as_tensor(np.asarray(pos_weight) if not isinstance(pos_weight, Tensor) else pos_weight)
    errors.check_pos_weight(
        metadata("pos_weight", weights), weights.detach().cpu().double().numpy(), num_labels=num_labels
    )
    wide = weights.detach().clone()
    return wide if wide.dtype in (torch.float32, torch.float64) else wide.float()


class OBRLoss(_Criterion):
    """L = L_E + alpha L_B: cross-entropy, and agreement with the relation learnt online.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). The relation R comes from the targets alone:
    no gradient flows through it. It is updated first, then used, in training mode with gradients enabled; so a
    validation pass under `torch.no_grad()` leaves it alone, even if the module is never put in eval mode. With
    gradient accumulation it moves once a micro-batch. Missing targets leave L_E and the relation; L_B acts on every
    prediction.

    The state is that of `OnlineBatchRelation`. Value and gradient are computed in one pass, in O(batch M + M^2)
    memory, without waiting for a device; second derivatives work in eager mode.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        alpha: weight of L_B.
        positive_threshold: r_p, on the scale of `measure`.
        negative_threshold: r_n, below it.
        measure: a key of `obrl.MEASURES`; `"unit_pearson"` is (1 + phi) / 2, `"pearson"` the formula as printed.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`, which divides by the number of active ordered pairs
            in place of M^2.
        reduction: `"mean"` (the paper: 1/K sum_k w_k L_k), `"sum"` or `"none"`.
        pos_weight: (num_labels,), finite and non-negative; multiplies the positives' part of L_E.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        freeze: never update the relation.
        impl: `"auto"` computes the gradient with the value; `"plain"` leaves it to autograd, as `torch.func` needs;
            `"fused"` runs both in kernels: on a GPU in Triton's, on a CPU in native code, which a C++ compiler builds
            at the first call. `"auto"` takes those of a GPU where that was measured to be worth it: on Hopper, in
            single and half precision, not in a compiled step.
        sync: False keeps each process of `torch.distributed` by itself; else the counts of all are summed.
        process_group: None is the default group.
        validate: whether to check the values of targets: None does on the CPU; True does everywhere, where it makes
            the host wait for the device; False never does. Shapes, dtypes and devices are always checked.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import torch
        >>> criterion = OBRLoss(3)
        >>> logits = torch.zeros(4, 3, requires_grad=True)
        >>> targets = torch.tensor([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
        >>> loss = criterion(logits, targets)
        >>> loss.backward()
        >>> round(loss.item(), 4)  # 3 log 2 + 0.5 * 4 / 18
        2.1906

    Source: Wang, Su and Zhao, Eq. 1 to 4.
    """

    __module__ = "obrl.torch"

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        alpha: float = 0.5,
        positive_threshold: float = 0.8,
        negative_threshold: float = 0.2,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        normalization: str = "all_pairs",
        reduction: str = "mean",
        pos_weight: Any = None,
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
        sync: bool = True,
        process_group: dist.ProcessGroup | None = None,
        validate: bool | None = None,
    ) -> None:
        settings = Settings(
            decay=decay,
            alpha=alpha,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
        )
        super().__init__(
            num_labels,
            settings,
            reduction=reduction,
            pos_weight=pos_weight,
            label_names=label_names,
            relation=relation,
            freeze=freeze,
            impl=impl,
            sync=sync,
            process_group=process_group,
            validate=validate,
        )

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> Tensor:
        """Update the relation where it should move, then give L.

        Args:
            logits: x, (batch, num_labels), float16, bfloat16, float32 or float64.
            targets: y, (batch, num_labels), bool, integer or floating point in [0, 1]; NaN is missing; the relation
                counts at least 0.5 as 1.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.
            sample_weight: w, (batch,); multiplies each sample's loss and never touches the relation.
            update: whether to update the relation; None: in training mode with gradients enabled, unless frozen.

        Returns:
            A scalar, or (batch,) with `reduction="none"`; float64 for float64 logits, else float32. The gradient
            comes in the dtype of the logits.

        Raises:
            TypeError, ValueError: what was expected and what came; the relation is then as it was.
        """
        return self._terms(logits, targets, observed, sample_weight, update, joint=True, parts=False)[0]

    def terms(
        self,
        logits: Tensor,
        targets: Tensor,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> LossTerms:
        """As a call, with L_E and L_B (before alpha) beside the total; each can be differentiated."""
        return LossTerms(*self._terms(logits, targets, observed, sample_weight, update, joint=True, parts=True))

    def extra_repr(self) -> str:
        """The settings and what they mean."""
        return self._describe(f"alpha={self.settings.alpha:g}")


class RelationLoss(_Criterion):
    """L_B alone (Eq. 2) with its own relation, to add to any other loss: `focal(x, y) + 0.5 * relation_loss(x, y)`.

    The arguments, the state and when it moves are those of `OBRLoss`, without alpha and pos_weight.

    Example:
        >>> import torch
        >>> criterion = RelationLoss(2)
        >>> logits = torch.tensor([[3.0, -3.0], [3.0, -3.0]], requires_grad=True)
        >>> round(criterion(logits, torch.tensor([[1, 1], [0, 0]])).item(), 4)
        0.2048
    """

    __module__ = "obrl.torch"

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
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
        sync: bool = True,
        process_group: dist.ProcessGroup | None = None,
        validate: bool | None = None,
    ) -> None:
        settings = Settings(
            decay=decay,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
        )
        super().__init__(
            num_labels,
            settings,
            reduction=reduction,
            pos_weight=None,
            label_names=label_names,
            relation=relation,
            freeze=freeze,
            impl=impl,
            sync=sync,
            process_group=process_group,
            validate=validate,
        )

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> Tensor:
        """Update the relation where it should move, then give L_B; the arguments are those of `OBRLoss.forward`."""
        return self._terms(logits, targets, observed, sample_weight, update, joint=False, parts=False)[0]

    def extra_repr(self) -> str:
        """The settings and what they mean."""
        return self._describe()
