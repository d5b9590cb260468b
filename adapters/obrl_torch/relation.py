"""Online Batch Relation as a module: two buffers, moved by Eq. 1."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

import obrl
from obrl.counts import PairCounts
from obrl.errors import check_label_names, check_labels, check_num_labels
from obrl.namespace import NUMPY
from obrl.online import RelationState, known_relation, update_state
from obrl.pairs import Pairs, active_pairs
from obrl.relation import starting_relation
from obrl.settings import Settings
from obrl.storage import save_relation
from obrl_torch import host, rows
from obrl_torch.distributed import count_batch, count_small, is_shared
from obrl_torch.inputs import Labels, may_read_values, metadata, optional_metadata, split_labels, without_autocast
from obrl_torch.namespace import TORCH

_STATE = ("relation_sum", "relation_weight")


class RelationModule(nn.Module):
    """What every module here shares: the buffers of Eq. 1, and how they move, are kept and are shown."""

    relation_sum: Tensor
    relation_weight: Tensor

    def __init__(
        self,
        num_labels: int,
        settings: Settings,
        *,
        label_names: Sequence[str] | None,
        relation: Any,
        sync: bool,
        process_group: dist.ProcessGroup | None,
        validate: bool | None,
    ) -> None:
        super().__init__()
        self.num_labels = check_num_labels(num_labels)
        self.settings = settings
        self.sync = sync
        self.process_group = process_group
        self.validate = validate
        names = check_label_names(label_names, self.num_labels)
        start = starting_relation(_to_host(relation), settings, self.num_labels, names)
        self.label_names = start.label_names
        for name in _STATE:
            self.register_buffer(name, torch.tensor(getattr(start, name), dtype=torch.float32))

    @property
    def relation(self) -> Tensor:
        """R_g, (num_labels, num_labels) in the dtype of the state, NaN where there is no evidence; a new tensor."""
        value, known = known_relation(TORCH, self._state(), self.settings)
        return torch.where(known, value, torch.nan)

    def pairs(self) -> Pairs:
        """The active pairs; printing them gives a table, or says that there is none. Copies the state to the host."""
        return active_pairs(self._host_state(), self.settings, self.label_names)

    def to_numpy(self) -> obrl.OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, copied to the host in float64."""
        return obrl.OnlineBatchRelation.from_state(self._host_state(), self.settings, self.label_names)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, self._host_state(), self.settings, self.label_names)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        for buffer in self._state():
            buffer.zero_()

    def _load(self, path: str | os.PathLike[str]) -> None:
        start = starting_relation(os.fspath(path), self.settings, self.num_labels, self.label_names)
        self.label_names = start.label_names
        self._write(RelationState(torch.from_numpy(start.relation_sum), torch.from_numpy(start.relation_weight)))

    def _state(self) -> RelationState:
        return RelationState(self.relation_sum, self.relation_weight)

    def _host_state(self) -> RelationState:
        return RelationState(*(buffer.detach().cpu().numpy() for buffer in self._state()))

    def _write(self, state: RelationState) -> None:
        _copy(state, self._state())

    def _advance(self, labels: Labels, state: RelationState, views: RelationState | None) -> None:
        """Eq. 1 for one batch: moves the buffers. Without autograd and autocast, which the caller sees to.

        Args:
            labels: the batch.
            state: the buffers.
            views: the same memory as arrays, where the host may see it.
        """
        if self.num_labels > host.SMALL_LABELS:
            views = None  # torch is faster
        dtype = state.relation_weight.dtype
        alone = not is_shared(sync=self.sync, process_group=self.process_group)
        if alone and views is None and rows.are_taken(state, labels.positive, labels.observed):
            rows.move(state, labels.positive, labels.observed, self.settings)
            return
        tables = count_small(labels, dtype) if alone and views is not None else None
        if tables is None:
            counts = count_batch(labels, sync=self.sync, process_group=self.process_group)
            counts = PairCounts(*(part.to(dtype) if isinstance(part, Tensor) else part for part in counts))
            found = host.arrays(counts) if views is not None else None
            tables = None if found is None else PairCounts(*found)
        if views is None or tables is None:
            rows.update(state, counts, self.settings)
        else:
            _copy(host.state_to_torch(update_state(NUMPY, views, tables, self.settings)), state)

    def _check_device(self, name: str, tensor: Tensor) -> None:
        if tensor.device != self.relation_weight.device:
            raise ValueError(
                f"{name} must be on the device of the relation, {self.relation_weight.device}, got {tensor.device}; "
                f"move the module with .to({str(tensor.device)!r})"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)
        for name, old in before.items():
            new = self._buffers[name]
            if new is not None and new.dtype.is_floating_point and new.dtype.itemsize < 4:
                # State is never narrower than float32: take the device, keep the values.
                empty = old.is_meta or new.is_meta
                self._buffers[name] = torch.empty_like(new, dtype=old.dtype) if empty else old.to(new.device)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A process group cannot be copied; the copy belongs to the same one.
        if self.process_group is not None:
            memo[id(self.process_group)] = self.process_group
        new = self.__class__.__new__(self.__class__)
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new

    def __getstate__(self) -> dict[str, Any]:
        # A process group does not survive its process: what is unpickled uses the default group.
        return {**self.__dict__, "process_group": None}


def _copy(state: RelationState, buffers: RelationState) -> None:
    # In place: a buffer that is replaced escapes the synchronisation of DistributedDataParallel.
    for array, buffer in zip(state, buffers, strict=True):
        buffer.copy_(array)


def _to_host(relation: Any) -> Any:
    return relation.detach().cpu().numpy() if isinstance(relation, Tensor) else relation


class OnlineBatchRelation(RelationModule):
    """The moving average of how labels relate within each mini-batch (Eq. 1), as a module.

    Its state is two buffers, `relation_sum` and `relation_weight`: they move with `.to(device)`, are in `state_dict`,
    are never narrower than float32 (`.half()` and `.bfloat16()` leave them alone, `.double()` widens them), and are
    written in place. Where `torch.distributed` is initialised, an update sums the pair counts of all processes first,
    so that they all hold the relation of the whole batch.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        measure: a key of `obrl.MEASURES`.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        sync: False keeps each process by itself.
        process_group: None is the default group.
        validate: whether to check the values of targets: None does on the CPU; True does everywhere, where it makes
            the host wait for the device; False never does.

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
    ) -> None:
        super().__init__(
            num_labels,
            Settings(decay=decay, measure=measure, estimator=estimator),
            label_names=label_names,
            relation=relation,
            sync=sync,
            process_group=process_group,
            validate=validate,
        )

    def update(self, targets: Tensor, observed: Tensor | None = None) -> Self:
        """Eq. 1 for one batch, in whichever mode the module is.

        Args:
            targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1, NaN is
                missing.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.

        Returns:
            The same module.

        Raises:
            TypeError, ValueError: what was expected and what came; the state is then as it was.
        """
        check_labels(metadata("targets", targets), optional_metadata("observed", observed), num_labels=self.num_labels)
        self._check_device("targets", targets)
        labels = split_labels(targets, observed, read_values=may_read_values(self.validate, targets))
        state = self._state()
        with torch.no_grad(), without_autocast(targets.device.type):
            self._advance(labels, state, host.state_arrays(state))
        return self

    def forward(self, targets: Tensor, observed: Tensor | None = None) -> Tensor:
        """Update in training mode with gradients enabled, then give the relation, (num_labels, num_labels)."""
        if self.training and torch.is_grad_enabled():
            self.update(targets, observed)
        return self.relation

    def merge(self, later: Self) -> OnlineBatchRelation:
        """The relation of one run, of which this is the first part and `later` the second, started from nothing.

        Computed on the host in float64; the result is a new module on the CPU.
        """
        merged = self.to_numpy().merge(later.to_numpy())
        return OnlineBatchRelation(
            self.num_labels,
            decay=self.settings.decay,
            measure=self.settings.measure,
            estimator=self.settings.estimator,
            relation=merged,
            sync=self.sync,
            process_group=self.process_group,
            validate=self.validate,
        )

    def pairs(self, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2) -> Pairs:
        """The active pairs under these thresholds; printing them gives a table, or says that there is none."""
        settings = replace(self.settings, positive_threshold=positive_threshold, negative_threshold=negative_threshold)
        return active_pairs(self._host_state(), settings, self.label_names)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what any framework's `save` wrote, with the settings it was made under."""
        start = obrl.OnlineBatchRelation.load(path)
        settings = start.settings
        return cls(
            start.num_labels,
            decay=settings.decay,
            measure=settings.measure,
            estimator=settings.estimator,
            relation=start,
        )

    def extra_repr(self) -> str:
        """The settings, as in NumPy's version."""
        return repr(self.to_numpy()).removeprefix("OnlineBatchRelation(").removesuffix(")")
