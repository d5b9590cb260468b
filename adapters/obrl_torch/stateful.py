"""A loss with a relation, as a module: its settings and its buffers; a subclass computes the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor

from obrl.cross_entropy import CrossEntropy, checked_cross_entropy
from obrl.errors import REDUCTIONS, check_choice, check_impl, checked_pos_weight
from obrl.holders import LossWithRelation
from obrl.pairs import describe
from obrl.settings import Settings
from obrl_torch import fused
from obrl_torch.inputs import Batch, to_host
from obrl_torch.module import RelationModule


class StatefulLoss(LossWithRelation, RelationModule):
    """The settings and the buffers of a loss with a relation; the arguments are those of `OBRLoss`."""

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
