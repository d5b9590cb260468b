"""Where `impl="fused"` can run, where `impl="auto"` picks it, and which loss it builds there.

On a CPU it is the native code of `obrl_native`. On a GPU Triton compiles the kernels of `obrl_torch.kernels` when they
first run; the compiled kernels of `obrl_native` are for other frameworks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from obrl.counts import MAX_EXACT_COUNT
from obrl_native import cpu
from obrl_native.cpu import MAX_LABELS
from obrl_torch.compat import in_transform
from obrl_torch.native import NativeLoss

if TYPE_CHECKING:
    from obrl_torch.operators.loss import KernelLoss

    FusedLoss = NativeLoss | KernelLoss

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's interpreter runs the kernels on a CPU, in place of the native code, as the tests of kernels ask."""

MOST_ARRIVALS = 36
"""How many counters `operators.move_relation` needs; equal to `launch.most_arrivals()`, which needs Triton."""

MEASURED_CAPABILITY = 9
"""The major compute capability that the kernels were measured on: Hopper. `impl="auto"` picks them there alone."""

LEAST_TRITON = (3, 6)
"""The first version of Triton that the kernels were compiled with."""


def new_arrivals(device: torch.device | None) -> Tensor:
    """The counters by which the programs of one launch find the last of them: zeros before and after it."""
    return torch.zeros(MOST_ARRIVALS, dtype=torch.int32, device=device)


@cache
def measured_on(device: torch.device) -> bool:
    """Whether a device is of a kind that the kernels were measured on, with a Triton that they were compiled with."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] != MEASURED_CAPABILITY:
        return False
    try:
        major, minor = version("triton").split(".")[:2]
    except PackageNotFoundError:
        return False
    return (int(major), int(minor)) >= LEAST_TRITON


def device_suits(device: torch.device) -> bool:
    """Whether `impl="auto"` may pick the kernels: never in a compiled step, in which they were not measured."""
    return not torch.compiler.is_compiling() and measured_on(device)


def batch_suits(logits: Tensor, *state: Tensor, **others: Tensor | None) -> bool:
    """Whether `impl="auto"` picks the kernels where it may; the arguments are those of `check_fused`.

    Not in float64, in which they were not measured, and not where `check_fused` would refuse.
    """
    if any(tensor.dtype == torch.float64 for tensor in (logits, *state)):
        return False
    try:
        check_fused(logits, *state, **others)
    except (ImportError, ValueError):
        return False
    return True


def check_fused(logits: Tensor, *state: Tensor, **others: Tensor | None) -> None:
    """Raise unless the native code or the kernels can compute this loss; builds and loads the native code for it.

    Args:
        logits: (batch, num_labels).
        state: the accumulators, float32 or float64; none for a given relation.
        others: the other tensors of the loss, by name.

    Raises:
        ImportError: a GPU without Triton, or a CPU without a C++ compiler.
        ValueError: a device other than a CPU or CUDA, a transform of `torch.func` or forward-mode differentiation, too
            many rows or labels, accumulators that are not contiguous or differ in dtype, or a tensor other than the
            logits that requires a gradient, which no kernel gives.
    """
    if in_transform():
        raise ValueError(
            'impl="fused" works neither under the transforms of torch.func nor in forward-mode differentiation; '
            'impl="plain" does'
        )
    if logits.device.type not in ("cpu", "cuda"):
        raise ValueError(f'impl="fused" needs tensors on a CPU or a CUDA device, got {logits.device}')
    if is_native(logits.device):
        _check_native()
    else:
        _check_triton()
    rows, num_labels = logits.shape
    if rows > MAX_EXACT_COUNT or num_labels > MAX_LABELS:
        raise ValueError(
            f'impl="fused" takes at most {MAX_EXACT_COUNT} rows and {MAX_LABELS} labels, got {rows} and {num_labels}'
        )
    for name, other in others.items():
        if other is not None and other.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                f'impl="fused" gives the gradient with respect to logits alone, got {name} with requires_grad; '
                'impl="plain" gives both'
            )
    if not all(accumulator.is_contiguous() for accumulator in state):
        strides = [accumulator.stride() for accumulator in state]
        raise ValueError(f'impl="fused" needs contiguous accumulators, got strides {strides}')
    if len({accumulator.dtype for accumulator in state}) > 1:
        dtypes = [accumulator.dtype for accumulator in state]
        raise ValueError(f'impl="fused" needs both accumulators in float32, or both in float64, got {dtypes}')


def is_native(device: torch.device) -> bool:
    """Whether `impl="fused"` runs native code on this device, and not Triton's kernels."""
    return device.type == "cpu" and not INTERPRETED


def loss_class(device: torch.device) -> Callable[..., FusedLoss]:
    """The class of fused losses on this device."""
    if is_native(device):
        return NativeLoss
    from obrl_torch.operators.loss import KernelLoss

    return KernelLoss


def _check_native() -> None:
    if not torch.compiler.is_compiling():  # in a graph, the operators load the library when it runs
        cpu.library()


def _check_triton() -> None:
    try:
        import obrl_torch.kernels.launch  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "triton":
            raise
        raise ImportError('impl="fused" needs Triton: pip install triton') from error
