"""The joint loss as a module, and the step of every loss: check a batch, update the relation, compute the terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from obrl.algebra import LossTerms
from obrl.cross_entropy import check_losses, function_arguments, returned_metadata
from obrl.errors import check_batch, resolve_update
from obrl.labels import known_targets
from obrl.online import RelationState, state_laplacians
from obrl.problem import Reduction, joint_terms
from obrl_torch import fused
from obrl_torch.compat import in_transform
from obrl_torch.distributed import is_shared
from obrl_torch.fused_relation import code_state, update_and_code
from obrl_torch.inputs import (
    Batch,
    check_target_values,
    computation_dtype,
    may_read_values,
    metadata,
    on_host,
    optional_metadata,
    split_targets,
    warn_of_logits,
    without_autocast,
)
from obrl_torch.module import check_full_precision, check_same_device
from obrl_torch.namespace import TORCH
from obrl_torch.one_pass import differentiable_terms
from obrl_torch.plain import PlainLoss, Tensors, plain_loss
from obrl_torch.stateful import StatefulLoss


class Criterion(StatefulLoss):
    """What a loss with a relation computes in a call; `StatefulLoss` has its settings and its buffers."""

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> Tensor:
        """Update the relation if this call should, then compute the loss: L of `OBRLoss`, L_B of `RelationLoss`.

        Args:
            logits: x, (batch, num_labels), float16, bfloat16, float32 or float64.
            targets: y, (batch, num_labels), bool, integer or floating point in [0, 1]; NaN is missing; the relation
                counts at least 0.5 as 1.
            observed: (batch, num_labels), bool; False marks a missing target, whatever its value.
            sample_weight: w, (batch,); multiplies each sample's loss and does not affect the relation.
            update: whether to update the relation; None: in training mode with gradients enabled, unless frozen.

        Returns:
            A scalar, or (batch,) with `reduction="none"`; float64 for float64 logits, else float32. The gradient
            comes in the dtype of the logits.

        Raises:
            TypeError, ValueError: what was expected and what came; the relation has then not changed. (Another error,
                such as a lack of memory, can come after Eq. 1 has moved it.)
        """
        return self._terms(Batch(logits, targets, observed, sample_weight), update, parts=False)[0]

    def _terms(self, batch: Batch, update: bool | None, *, parts: bool) -> Tensors:
        """Update the relation if this call should, then compute the terms; see `differentiable_terms`.

        Args:
            batch: not checked yet.
            update: as in `forward`.
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
            check_full_precision("pos_weight", self.pos_weight)
        moves = resolve_update(update, default=self.training and torch.is_grad_enabled(), freeze=self.freeze)
        if self._joint and callable(self.cross_entropy):
            terms = self._function_terms(self.cross_entropy, batch, state, moves=moves)
        else:
            terms = self._evaluate(batch, state, moves=moves, joint=self._joint, parts=parts)
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
            fused_loss = self._fused_loss(batch, state, moves=moves, joint=joint)
            return differentiable_terms(logits, fused_loss, dtype=dtype, impl=self.impl, parts=parts)
        with without_autocast(logits.device.type):
            loss = self._plain_loss(batch, state, dtype, moves=moves, joint=joint)
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
        if self.impl == "plain" or (self.impl == "auto" and not fused.device_suits(batch.logits.device)):
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
        return fused.batch_suits(batch.logits, *state, **others)

    def _plain_loss(
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

    def _fused_loss(self, batch: Batch, state: RelationState, *, moves: bool, joint: bool) -> fused.FusedLoss:
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


class OBRLoss(Criterion):
    """L = L_E + alpha L_B: cross-entropy, and agreement with the relation learnt online.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). The relation R comes from the targets alone:
    no gradient flows through it. A call in training mode with gradients enabled updates it first, then uses it. So a
    validation pass under `torch.no_grad()` does not update it, even if the module is never put in eval mode; with
    gradient accumulation each micro-batch updates it. Missing targets do not enter L_E or the relation; L_B acts on
    every prediction.

    The state is that of `OnlineBatchRelation`. Value and gradient are computed in one pass (with `impl="plain"` the
    gradient is autograd's), in O(batch M + M^2) memory, without waiting for a device; second derivatives work in eager
    mode. Built on the meta device, `reset_parameters()` sets every buffer after `to_empty`.

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
        pos_weight: (num_labels,), finite and non-negative; multiplies the positives' part of L_E. Held as a float32
            buffer, which `.double()` widens; not in `state_dict`.
        cross_entropy: `"bce"` (Eq. 4), or a function that takes its place: of logits and targets, tensors
            (batch, num_labels) in float32 (float64 for float64 logits), it returns the loss of each label in the same
            shape and dtype, which is differentiated. obrl masks the missing labels, sums over labels, weighs the
            samples and reduces. A missing target is 0. Not beside `pos_weight`. A
            module in its place is a submodule, whose parameters are in `state_dict`.
        ignore_index: a number such as -1 or 255 that marks missing targets, in the loss and in the relation; targets
            are then integers. Where values are read, targets coded -1 and 1 are refused with -1: a batch in which -1
            occurs and at least 32 labels are known, all of them 1.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        freeze: never update the relation; requires `relation=`.
        impl: how to compute. `"plain"`: in torch's operations, with the gradient left to autograd. `"auto"`: the same
            operations, with the gradient computed with the value; or the kernels of `"fused"` where they were
            measured to be faster: on a Hopper GPU with Triton 3.6 or later, in single and half precision, in eager
            mode, and in one process (or with `sync=False`). `"fused"`: in Triton's kernels on a GPU; on a CPU in
            native code, which a C++ compiler builds at the first call.
            Transforms of `torch.func` and forward mode work with `"plain"` and `"auto"`.
        sync: whether to sum the pair counts of all processes of `torch.distributed`.
        process_group: None is the default group.
        validate: whether to check the values of targets. None: on the CPU; True: on every device, where the check
            makes the host wait; False: never. Shapes, dtypes and devices are always checked. Logits that lie in
            [0, 1] give a warning where values are read.

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

    def terms(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        update: bool | None = None,
    ) -> LossTerms:
        """The same as a call, but gives L, L_E and L_B (before alpha); each can be differentiated.

        Where they need a gradient, L is the sum of the two others in their dtype; with `impl="fused"` it may differ
        from that of a call in the last bit.
        """
        return LossTerms(*self._terms(Batch(logits, targets, observed, sample_weight), update, parts=True))
