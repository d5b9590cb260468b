"""What every module of obrl shares: the two buffers of Eq. 1, and how they move, are copied and are read."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from obrl.errors import check_ignore_index, check_label_names, check_num_labels
from obrl.holders import RelationHolder
from obrl.labels import Labels
from obrl.online import RelationState, batch_evidence, known_relation, remaining_share, state_shapes
from obrl.settings import Settings
from obrl.start import starting_relation
from obrl_torch.compat import in_transform, is_wrapped, outside_transforms, without_gradient
from obrl_torch.distributed import count_batch
from obrl_torch.inputs import to_host
from obrl_torch.namespace import TORCH
from obrl_torch.precision import FULL_PRECISION, FullPrecisionModule


class RelationModule(RelationHolder, FullPrecisionModule):
    """A relation in two buffers, `relation_sum` and `relation_weight`.

    A subclass's constructor ends with `reset_parameters`, which fills the buffers; before that they hold no values.
    They are float32 or float64, whatever the dtype of the model, and are written in place, because
    DistributedDataParallel goes on synchronising the tensors of the time when it was built.
    """

    relation_sum: Tensor
    relation_weight: Tensor

    def __init__(
        self,
        num_labels: int,
        settings: Settings,
        *,
        label_names: Sequence[str] | None,
        relation: Any,
        freeze: bool = False,
        sync: bool,
        process_group: dist.ProcessGroup | None,
        validate: bool | None,
        ignore_index: int | None,
    ) -> None:
        super().__init__()
        self.ignore_index = check_ignore_index(ignore_index)
        self.num_labels = check_num_labels(num_labels)
        self.settings = settings
        self.sync = sync
        self.process_group = process_group
        self.validate = validate
        names = check_label_names(label_names, self.num_labels)
        start = starting_relation(to_host("relation", relation), settings, self.num_labels, names, freeze=freeze)
        self.label_names = start.label_names
        self._start = None if relation is None else start.state
        shapes = state_shapes(self.num_labels, settings.estimator)
        for name, shape in shapes._asdict().items():
            self.register_buffer(name, torch.empty(shape, dtype=torch.float32))

    def reset_parameters(self) -> None:
        """Set every buffer as the constructor does: to the relation it started from, or to no evidence.

        FSDP calls this on modules that were built on the meta device. Unlike `reset`, it keeps `relation=`. Called in
        `_init_weights` of a model of Transformers, it leaves a relation alone that was loaded from a checkpoint.
        """
        # While Transformers initialises a model, functions of torch.nn.init do not write into what it has loaded.
        for name in RelationState._fields:
            buffer = self.get_buffer(name)
            if self._start is None:
                nn.init.zeros_(buffer)
            else:
                start = torch.from_numpy(getattr(self._start, name)).to(buffer)
                nn.init.constant_(buffer, torch.nan)
                buffer.copy_(torch.where(buffer.isnan(), start, buffer))

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        for buffer in (self.relation_sum, self.relation_weight):
            buffer.zero_()

    @property
    def relation(self) -> Tensor:
        """R_g, (num_labels, num_labels) in the dtype of the state, NaN where there is no evidence; a new tensor."""
        value, known = known_relation(TORCH, self._state(), self.settings)
        return torch.where(known, value, torch.nan)

    def _state(self) -> RelationState:
        """The buffers, in float32 or float64.

        Raises:
            TypeError: another dtype, which only replacing a buffer brings about; the state would lose evidence in it.
        """
        state = RelationState(self.relation_sum, self.relation_weight)
        check_full_precision("relation_sum", state.relation_sum)
        check_full_precision("relation_weight", state.relation_weight)
        return state

    def _host_state(self) -> RelationState:
        sums, weights = self._state()
        return RelationState(to_host("relation_sum", sums), to_host("relation_weight", weights))

    def _write(self, state: RelationState) -> None:
        """Copy a state of NumPy arrays into the buffers."""
        self.relation_sum.copy_(torch.from_numpy(state.relation_sum))
        self.relation_weight.copy_(torch.from_numpy(state.relation_weight))

    def _update(self, labels: Labels, state: RelationState) -> None:
        """Eq. 1 for one batch, written into the buffers. The caller turns autograd and autocast off.

        Raises:
            ValueError: under `torch.func.vmap`, where each of several batches would move the one state there is.
        """
        if torch.compiler.is_compiling() or not in_transform() or any(map(is_wrapped, state)):
            self._write_update(labels, state)
            return
        labels = Labels(*(None if part is None else without_gradient(part) for part in labels))
        if is_wrapped(labels.positive):
            raise ValueError("the relation cannot move under torch.func.vmap over targets: pass update=False")
        with outside_transforms():
            self._write_update(labels, state)

    def _write_update(self, labels: Labels, state: RelationState) -> None:
        counts = count_batch(labels, state.relation_weight.dtype, sync=self.sync, process_group=self.process_group)
        evidence = batch_evidence(TORCH, counts, self.settings, like=state.relation_weight)
        remaining = remaining_share(evidence, self.settings.decay)
        for accumulator, part in zip(state, evidence, strict=True):
            accumulator.mul_(remaining).add_(part)  # Eq. 1, as `update_state`, without new matrices

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A process group cannot be copied; the copy belongs to the same one.
        if self.process_group is not None:
            memo[id(self.process_group)] = self.process_group
        new = self.__class__.__new__(self.__class__)
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new

    def __getstate__(self) -> dict[str, Any]:
        # A process group does not survive its process; an unpickled module uses the default group.
        return {**self.__dict__, "process_group": None}


def check_full_precision(name: str, buffer: Tensor) -> None:
    """Raise TypeError unless a buffer is in float32 or float64."""
    if buffer.dtype not in FULL_PRECISION:
        raise TypeError(
            f"{name} must be float32 or float64, got {buffer.dtype}: widen the module with .float(), and keep "
            "load_state_dict(assign=True) and FSDP's MixedPrecision(buffer_dtype=...) from narrowing it"
        )


def check_same_device(name: str, tensor: Tensor, state: RelationState) -> None:
    """Raise ValueError unless a tensor is on the device of the relation."""
    device = state.relation_weight.device
    if tensor.device != device:
        raise ValueError(
            f"{name} must be on the device of the relation, {device}, got {tensor.device}; "
            f"move the module with .to({str(tensor.device)!r})"
        )
