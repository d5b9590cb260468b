"""What comes in: its metadata, the checks of its values, and the form that the algebra takes it in."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from obrl.counts import MAX_EXACT_COUNT
from obrl.errors import Metadata, check_target_range
from obrl_torch import host
from obrl_torch.namespace import convert

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_KINDS = {torch.bool: "bool", **dict.fromkeys(_INTEGERS, "int"), **dict.fromkeys(_FLOATS, "float")}


def metadata(name: str, value: Any) -> Metadata:
    """The metadata of a tensor.

    Raises:
        TypeError: `value` is no tensor.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    kind = _KINDS.get(value.dtype) or ("complex" if value.is_complex() else "other")
    return Metadata(value.shape, kind, value.dtype, value.device)


def optional_metadata(name: str, value: Any) -> Metadata | None:
    """The metadata of a tensor that may be absent."""
    return None if value is None else metadata(name, value)


class Labels(NamedTuple):
    """Targets, split into what each part needs.

    Attributes:
        positive: (batch, num_labels) 0/1 in the dtype to count in: observed, and at least 0.5.
        observed: (batch, num_labels) bool, or None where all are known to be.
        targets: as they came.
    """

    positive: Tensor
    observed: Tensor | None
    targets: Tensor


def split_labels(targets: Tensor, observed: Tensor | None, *, read_values: bool) -> Labels:
    """Say which targets are known and which are 1.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool; False is missing, whatever the target holds.
        read_values: whether values may be read on the host: the range is then checked, and a batch without a missing
            target is recognised, which spares the counting of observed pairs.

    Raises:
        ValueError: an observed target outside [0, 1], where values are read.
    """
    view = host.small_batch(targets) if read_values and targets.is_floating_point() else None
    if read_values and observed is None and _in_range(targets if view is None else view):
        known = None
    else:
        known = known_targets(targets, observed)
        if read_values and known is not None:
            known = None if _all_seen(targets, known) else known
    dtype = torch.float32 if targets.shape[0] <= MAX_EXACT_COUNT else torch.float64
    if view is not None and known is None:
        return Labels(torch.from_numpy((view >= 0.5).astype(host.DTYPES[dtype])), None, targets)
    positive = targets if targets.dtype == torch.bool else targets >= 0.5
    if known is not None:
        positive = positive & known
    return Labels(convert(positive, dtype), known, targets)


def known_targets(targets: Tensor, observed: Tensor | None) -> Tensor | None:
    """Where a target is neither NaN nor masked, bool; None where nothing can be missing."""
    if not targets.is_floating_point():
        return observed
    not_nan = targets == targets  # NaN alone differs from itself; isnan is slower, compiled too
    return not_nan if observed is None else observed & not_nan


def check_values(targets: Tensor, observed: Tensor | None) -> None:
    """Raise ValueError where an observed target is outside [0, 1]."""
    if observed is None and _in_range(targets):
        return
    if (known := known_targets(targets, observed)) is not None:
        _all_seen(targets, known)


def _all_seen(targets: Tensor, known: Tensor) -> bool:
    """Whether no target is missing; raises where a known one is outside [0, 1]."""
    seen = targets.detach()[known]
    if seen.numel():
        check_target_range(*(float(value) for value in seen.aminmax()))
    return seen.numel() == targets.numel()


def _in_range(targets: Tensor | NDArray[Any]) -> bool:
    """Whether no target is NaN; raises where one is outside [0, 1]."""
    if isinstance(targets, Tensor):
        if targets.dtype == torch.bool or not targets.numel():
            return True
        low, high = (float(value) for value in targets.detach().aminmax())
    elif targets.size:
        low, high = float(targets.min()), float(targets.max())
    else:
        return True
    if low != low or high != high:
        return False
    check_target_range(low, high)
    return True


def may_read_values(validate: bool | None, tensor: Tensor) -> bool:
    """Whether the values of a tensor may be looked at on the host.

    On the CPU yes, unless `validate=False`; elsewhere only with `validate=True`, since it makes the host wait. Never
    while a graph is being traced.
    """
    if torch.compiler.is_compiling():
        return False
    return tensor.device.type == "cpu" if validate is None else validate


def without_autocast(device_type: str) -> contextlib.AbstractContextManager[Any]:
    """Autocast off, so that products keep the precision of their arguments."""
    # torch 2.11 compiles no call of is_autocast_available; what compiles has autocast.
    available = torch.compiler.is_compiling() or torch.amp.is_autocast_available(device_type)
    if available and torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()


def computation_dtype(logits: Tensor) -> torch.dtype:
    """The dtype the loss is computed and returned in: float32, or float64 for float64 logits."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32
