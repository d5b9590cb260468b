"""What the losses share: check a batch, update the relation, compute the terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import torch
import torch.distributed as dist
from torch import Tensor

from obrl.cross_entropy import (
    CrossEntropy,
    check_losses,
    checked_cross_entropy,
    function_arguments,
    returned_metadata,
)
from obrl.errors import REDUCTIONS, check_batch, check_choice, check_impl, checked_pos_weight, resolve_update
from obrl.holders import LossWithRelation
from obrl.labels import known_targets
from obrl.online import RelationState, state_laplacians
from obrl.pairs import describe
from obrl.problem import Reduction, joint_terms
from obrl.settings import Settings
from obrl_torch import fused
from obrl_torch.compat import in_transform
from obrl_torch.distributed import is_shared
from obrl_torch.fused_relation import code_state, update_and_code
from obrl_torch.inputs import (
    check_target_values,
    computation_dtype,
    may_read_values,
    metadata,
    on_host,
    optional_metadata,
    split_targets,
    to_host,
    warn_of_logits,
    without_autocast,
)
from obrl_torch.module import RelationModule, check_same_device, check_wide
from obrl_torch.namespace import TORCH
from obrl_torch.one_pass import differentiable_terms
from obrl_torch.plain import PlainLoss, Tensors, plain_loss


class Batch(NamedTuple):
    """The tensors of one call, as the user gave them; the fields are those of `OBRLoss.forward`."""

    logits: Tensor
    targets: Tensor
    observed: Tensor | None
    sample_weight: Tensor | None


class Criterion(LossWithRelation, RelationModule):
    """A loss with a relation; the arguments are those of `OBRLoss`."""

    pos_weight: Tensor | None
    _arrivals: Tensor
    _see: Callable[[Batch], None] | None = None  # what a monitor sets for single steps

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
        cross_entropy: CrossEntropy = "bce",
        ignore_index: int | None = None,
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
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl)
        super().__init__(
            num_labels,
            settings,
            label_names=label_names,
            relation=relation,
            freeze=freeze,
            sync=sync,
            process_group=process_group,
            validate=validate,
            ignore_index=ignore_index,
        )
        self.reduction = reduction
        self.freeze = bool(freeze)
        self.impl = impl
        self.cross_entropy = checked_cross_entropy(cross_entropy, pos_weight)
        self._weights = checked_pos_weight(to_host("pos_weight", pos_weight), num_labels=self.num_labels)
        # Neither buffer is in state_dict: the constructor sets both.
        weights = None if self._weights is None else torch.empty(self.num_labels, dtype=torch.float32)
        self.register_buffer("pos_weight", weights, persistent=False)
        self.register_buffer("_arrivals", fused.new_arrivals(None), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every buffer as the constructor does: the relation's start, pos_weight, and the kernels' counters.

        FSDP calls this on modules that were built on the meta device. Unlike `reset`, it keeps `relation=`.
        """
        super().reset_parameters()
        self._fill_pos_weight()
        self._arrivals.zero_()

    def _fill_pos_weight(self) -> None:
        if self.pos_weight is not None:
            self.pos_weight.copy_(torch.tensor(self._weights, dtype=self.pos_weight.dtype, device="cpu"))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        had_values = not self.relation_weight.is_meta
        super()._apply(fn, recurse)
        if not had_values:  # `to_empty` leaves buffers uninitialised, and no state_dict holds these two
            self._fill_pos_weight()
        self._arrivals = fused.new_arrivals(self.relation_weight.device)
        return self

    def _terms(self, batch: Batch, update: bool | None, *, joint: bool, parts: bool) -> Tensors:
        """Update the relation if this call should, then compute the terms; see `differentiable_terms`.

        Args:
            batch: not checked yet.
            update: as in `OBRLoss.forward`.
            joint: whether the loss is L, not L_B alone.
            parts: whether L_E and L_B are needed too.
        """
        logits, targets, observed, sample_weight = batch
        check_batch(
            metadata("logits", logits),
            metadata("targets", targets),
            optional_metadata("observed", observed),
            optional_metadata("sample_weight", sample_weight),
            num_labels=self.num_labels,
            ignore_index=self.ignore_index,
        )
        state = self._state()
        check_same_device("logits", logits, state)
        warn_of_logits(logits, self.validate)
        batch = self._without_ignored(batch)
        if self.pos_weight is not None:
            check_wide("pos_weight", self.pos_weight)
        moves = resolve_update(update, default=self.training and torch.is_grad_enabled(), freeze=self.freeze)
        if joint and callable(self.cross_entropy):
            terms = self._function_terms(self.cross_entropy, batch, state, moves=moves)
        else:
            terms = self._evaluate(batch, state, moves=moves, joint=joint, parts=parts)
        # A monitor sees no batch that an error has stopped, as the relation does not. While a graph is compiled `_see`
        # is not even looked at, so that setting it compiles nothing again.
        if not torch.compiler.is_compiling() and self._see is not None and not in_transform():
            self._see(batch)
        return terms

    def _without_ignored(self, batch: Batch) -> Batch:
        """A checked batch, with targets that equal `ignore_index` not observed."""
        if self.ignore_index is None:
            return batch
        read_values = may_read_values(self.validate, batch.targets)
        known = known_targets(
            batch.targets, batch.observed, self.ignore_index, on_host=on_host if read_values else None
        )
        return batch._replace(observed=known)

    def _evaluate(self, batch: Batch, state: RelationState, *, moves: bool, joint: bool, parts: bool) -> Tensors:
        """Update the relation if `moves`, then compute the terms of a checked batch."""
        logits, dtype = batch.logits, computation_dtype(batch.logits)
        if self._is_fused(batch, state, joint=joint):  # autocast does not reach into native code or kernels
            fused_loss = self._update_for_fused_loss(batch, state, moves=moves, joint=joint)
            return differentiable_terms(logits, fused_loss, dtype=dtype, impl=self.impl, parts=parts)
        with without_autocast(logits.device.type):
            loss = self._update_for_plain_loss(batch, state, dtype, moves=moves, joint=joint)
            return differentiable_terms(logits, loss, dtype=dtype, impl=self.impl, parts=parts)

    def _function_terms(
        self, function: Callable[..., Any], batch: Batch, state: RelationState, *, moves: bool
    ) -> Tensors:
        """L, L_E and L_B where a function computes L_E, before the relation moves; autograd differentiates it."""
        dtype = computation_dtype(batch.logits)
        x = batch.logits.to(dtype)  # once for both losses, whose gradients then add up in this dtype
        with without_autocast(x.device.type):
            read_values = may_read_values(self.validate, batch.targets)
            labels = split_targets(batch.targets, batch.observed, read_values=read_values)
            arguments = function_arguments(TORCH, x, labels, like=x)
            losses = function(*arguments)
            check_losses(returned_metadata(metadata, losses), metadata("logits", x))
            batch = batch._replace(logits=x)
            (relation_loss,) = self._evaluate(batch, state, moves=moves, joint=False, parts=False)
            weight = None if batch.sample_weight is None else batch.sample_weight.to(dtype)[:, None]
            reduction = Reduction(self.reduction, weight, x.shape[0])
            alpha = self.settings.alpha
            return joint_terms(TORCH, losses, labels.observed, relation_loss, reduction, alpha=alpha)

    def _is_fused(self, batch: Batch, state: RelationState, *, joint: bool) -> bool:
        """Whether native code or kernels compute this loss; raises where `impl="fused"` cannot."""
        if self.impl == "plain" or (self.impl == "auto" and not fused.may_be_chosen(batch.logits.device)):
            return False
        others = {
            "targets": batch.targets if joint else None,
            "sample_weight": batch.sample_weight,
            "pos_weight": self.pos_weight,
        }
        if self.impl == "fused":
            fused.check_fused(batch.logits, *state, **others)
            return True
        if is_shared(sync=self.sync, process_group=self.process_group):
            return False  # not measured over several processes
        return fused.is_chosen(batch.logits, *state, **others)

    def _update_for_plain_loss(
        self, batch: Batch, state: RelationState, dtype: torch.dtype, *, moves: bool, joint: bool
    ) -> PlainLoss:
        """Update the relation if `moves`, and give the loss in torch's operations."""
        read_values = may_read_values(self.validate, batch.targets)
        labels = split_targets(batch.targets, batch.observed, read_values=read_values)
        with torch.no_grad():
            if moves:
                self._update(labels, state)
            like = state.relation_weight.new_empty((), dtype=dtype)
            pairs = state_laplacians(TORCH, state, self.settings, num_labels=self.num_labels, like=like)
        return plain_loss(
            labels.targets if joint else None,
            labels.observed if joint else None,
            batch.sample_weight,
            self.pos_weight,
            pairs,
            alpha=self.settings.alpha,
            reduction=self.reduction,
            rows=batch.logits.shape[0],
            dtype=dtype,
        )

    def _update_for_fused_loss(
        self, batch: Batch, state: RelationState, *, moves: bool, joint: bool
    ) -> fused.FusedLoss:
        """Update the relation if `moves`, and give the loss in native code or kernels."""
        _, targets, observed, sample_weight = batch
        if may_read_values(self.validate, targets):
            check_target_values(targets, observed)
        settings = self.settings
        with torch.no_grad():
            if moves:
                group: dict[str, Any] = {"sync": self.sync, "process_group": self.process_group}
                codes = update_and_code(state, self._arrivals, targets, observed, settings, **group)
            else:
                codes = code_state(state, settings)
        return fused.loss_class(targets.device)(
            targets if joint else None,
            observed if joint else None,
            sample_weight,
            self.pos_weight,
            *codes,
            settings.alpha,
            settings.normalization,
            self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that differ from the defaults, and what the thresholds mean."""
        return describe(
            self.num_labels,
            self.settings,
            reduction=self.reduction,
            pos_weight=self._weights,
            cross_entropy=self.cross_entropy,
            ignore_index=self.ignore_index,
            freeze=self.freeze,
            impl=self.impl,
            sync=self.sync,
            validate=self.validate,
        )
