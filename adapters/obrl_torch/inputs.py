"""What a user hands in: its metadata, the checks of its values, and the dtype to compute in."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch
from torch import Tensor

from obrl.errors import Metadata
from obrl.labels import Labels, check_values, split_labels
from obrl.logits import warn_of_probabilities, warn_of_sigmoid
from obrl_torch.compat import in_transform, is_recorded
from obrl_torch.namespace import TORCH

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_KINDS = {torch.bool: "bool", **dict.fromkeys(_INTEGERS, "int"), **dict.fromkeys(_FLOATS, "float")}


class Batch(NamedTuple):
    """The tensors of one call, as the user gave them; the fields are those of `OBRLoss.forward`."""

    logits: Tensor
    targets: Tensor
    observed: Tensor | None
    sample_weight: Tensor | None


def metadata(name: str, value: Any) -> Metadata:
    """The metadata of a dense tensor.

    Raises:
        TypeError: `value` is no tensor, or one of another layout: sparse, nested, or of oneDNN.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}: {_remedy(name, value)}")
    if value.layout != torch.strided or value.is_nested:
        layout = "a nested tensor" if value.is_nested else value.layout
        raise TypeError(f"{name} must be a dense tensor, got {layout}")
    kind = _KINDS.get(value.dtype) or ("complex" if value.is_complex() else "other")
    return Metadata(value.shape, kind, value.dtype, value.device)


def _remedy(name: str, value: Any) -> str:
    if isinstance(value, list | tuple) and any(isinstance(entry, Tensor) for entry in value):
        return (
            f"join its tensors with torch.stack({name}, dim=1) where each holds a label, dim=0 where each holds a row"
        )
    return f"use torch.as_tensor({name})"


def optional_metadata(name: str, value: Any) -> Metadata | None:
    """The metadata of a tensor that may be absent."""
    return None if value is None else metadata(name, value)


def to_host(name: str, value: Any) -> Any:
    """A dense tensor as a NumPy array on the host, float64 where NumPy lacks its dtype; anything else as it is.

    Raises:
        TypeError: a tensor that is not dense.
        ValueError: a tensor on the meta device, which holds no values.
    """
    if not isinstance(value, Tensor):
        return value
    metadata(name, value)
    if value.is_meta:
        raise ValueError(f"{name} must hold values, got a tensor on the meta device")
    return on_host(value)


def on_host(tensor: Tensor) -> Any:
    """A tensor as a NumPy array, with bfloat16, which NumPy does not know as a number, widened."""
    return (tensor.double() if tensor.dtype == torch.bfloat16 else tensor).numpy(force=True)


def check_target_values(targets: Tensor, observed: Tensor | None) -> bool:
    """Raise ValueError where an observed target is outside [0, 1]; say whether no target is missing."""
    return check_values(on_host(targets), None if observed is None else on_host(observed), _extremes)


def _extremes(values: Any) -> tuple[float, float]:
    """The smallest and the largest number of a NumPy array, in one pass; NaN where one of them is NaN."""
    low, high = torch.aminmax(torch.from_numpy(values))
    return float(low), float(high)


def split_targets(targets: Tensor, observed: Tensor | None, *, read_values: bool) -> Labels:
    """Split checked targets into their values, what counts as 1, and what is observed.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool; False is missing, whatever the target holds.
        read_values: whether values may be read on the host. The range is then checked, and a batch without a missing
            target is recognised, which takes fewer products.

    Raises:
        ValueError: an observed target outside [0, 1], where values are read.
    """
    complete = read_values and check_target_values(targets, observed)
    return split_labels(TORCH, targets, observed, kind=_KINDS[targets.dtype], complete=complete)


def may_read_values(validate: bool | None, tensor: Tensor) -> bool:
    """Whether the values of a tensor may be read on the host.

    On the CPU yes, unless `validate=False`; elsewhere only with `validate=True`, since it makes the host wait. Never
    where a tensor may hold no values: on the meta device, in a subclass that dispatches operations itself, under a
    transform of `torch.func`, while something records the operations.
    """
    dispatches = type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__
    if is_recorded() or in_transform() or tensor.is_meta or dispatches:
        return False
    return tensor.device.type == "cpu" if validate is None else validate


def warn_of_logits(logits: Tensor, validate: bool | None) -> None:
    """Warn of logits that are probabilities, as far as that shows: from autograd's graph, or from values in [0, 1].

    Values are read where `may_read_values` says so. Nothing is looked at while a graph is compiled.
    """
    if is_recorded() or in_transform():
        return
    operation = _source(logits.grad_fn)
    if operation in ("sigmoid", "softmax"):
        warn_of_sigmoid(operation)
    elif may_read_values(validate, logits):
        warn_of_probabilities(on_host(logits))


_PASSING = {
    *("alias", "clone", "expand", "permute", "reshapealias", "select", "slice", "squeeze", "t", "tocopy", "transpose"),
    *("unsafeview", "unsqueeze", "view"),
}
"""Operations of autograd's graph that change no value: views, casts and copies."""


def _source(node: Any) -> str | None:
    """The name of the operation that gives a tensor of this node, before views, casts and copies of it."""
    while node is not None:
        name: str = node.name().partition("Backward")[0].lower()
        if name not in _PASSING:
            return name
        node = node.next_functions[0][0]
    return None


def without_autocast(device_type: str) -> contextlib.AbstractContextManager[Any]:
    """Autocast off, so that products keep the precision of their arguments."""
    # torch 2.11 compiles no call of is_autocast_available; every device that it compiles for has autocast.
    available = torch.compiler.is_compiling() or torch.amp.is_autocast_available(device_type)
    if available and torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()


def computation_dtype(logits: Tensor) -> torch.dtype:
    """The dtype the loss is computed and returned in: float32, or float64 for float64 logits."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32
