"""Online Batch Relation as a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor

from obrl.errors import check_labels
from obrl.holders import RelationAlone
from obrl.labels import known_targets
from obrl.pairs import describe
from obrl.settings import Settings
from obrl_torch.inputs import (
    may_read_values,
    metadata,
    on_host,
    optional_metadata,
    split_targets,
    without_autocast,
)
from obrl_torch.module import RelationModule, check_same_device


class OnlineBatchRelation(RelationAlone, RelationModule):
    """The moving average of how labels relate within each mini-batch (Eq. 1), as a module.

    Its state is two buffers, `relation_sum` and `relation_weight`. They move with `.to(device)`, are in `state_dict`,
    are written in place, and are never narrower than float32: `.half()` and `.bfloat16()` do not change them,
    `.double()` widens them, and an update refuses buffers that were narrowed in another way. Where `torch.distributed`
    is initialised, an update first sums the pair counts of all processes, so all hold the relation of the whole batch.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        measure: a key of `obrl.MEASURES`.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        sync: whether to sum the pair counts of all processes of `torch.distributed`.
        process_group: None is the default group.
        validate: whether to check the values of targets. None: on the CPU; True: on every device, where the check
            makes the host wait; False: never.
        ignore_index: a number such as -1 or 255 that marks missing targets, which are then integers; see `OBRLoss`.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import torch
        >>> relation = OnlineBatchRelation(2).update(torch.tensor([[1, 1], [0, 0], [1, 1]]))
        >>> relation.relation
        tensor([[1., 1.],
                [1., 1.]])

    Source: Wang, Su and Zhao, Eq. 1.
    """

    __module__ = "obrl.torch"

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        sync: bool = True,
        process_group: dist.ProcessGroup | None = None,
        validate: bool | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(
            num_labels,
            Settings(decay=decay, measure=measure, estimator=estimator),
            label_names=label_names,
            relation=relation,
            sync=sync,
            process_group=process_group,
            validate=validate,
            ignore_index=ignore_index,
        )
        self.reset_parameters()

    def update(self, targets: Tensor, *, observed: Tensor | None = None) -> Self:
        """Eq. 1 for one batch, in training mode and in eval mode.

        Args:
            targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1, NaN is
                missing.
            observed: (batch, num_labels), bool; False marks a missing target, whatever its value.

        Returns:
            The same module.

        Raises:
            TypeError, ValueError: what was expected and what came; the state has then not changed.
        """
        options: dict[str, Any] = {"num_labels": self.num_labels, "ignore_index": self.ignore_index}
        check_labels(metadata("targets", targets), optional_metadata("observed", observed), **options)
        state = self._state()
        check_same_device("targets", targets, state)
        read_values = may_read_values(self.validate, targets)
        observed = known_targets(targets, observed, self.ignore_index, on_host=on_host if read_values else None)
        labels = split_targets(targets, observed, read_values=read_values)
        with torch.no_grad(), without_autocast(targets.device.type):
            self._update(labels, state)
        return self

    def forward(self, targets: Tensor, *, observed: Tensor | None = None) -> Tensor:
        """Update in training mode with gradients enabled, then give the relation, (num_labels, num_labels)."""
        if self.training and torch.is_grad_enabled():
            self.update(targets, observed=observed)
        return self.relation

    def merge(self, later: Self) -> Self:
        """The relation of a whole run: this module saw its first part, and `later`, which started empty, the rest.

        Computed on the host in float64; the result is a new module on the CPU.
        """
        merged = self.to_numpy().merge(later.to_numpy())
        return self._from_numpy(merged, sync=self.sync, process_group=self.process_group, validate=self.validate)

    def extra_repr(self) -> str:
        """The settings that differ from the defaults."""
        options = {name: getattr(self, name) for name in ("ignore_index", "sync", "validate")}
        return describe(self.num_labels, self.settings, thresholds=False, **options)
