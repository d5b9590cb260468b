"""From tensors to what a launch takes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from obrl_torch.kernels import launch


def launched(run: launch.Launch, on: Tensor, **arguments: Any) -> None:
    """Launch on the device that the tensors are on, whichever is current."""
    with torch.cuda.device(on.device) if on.is_cuda else nullcontext():
        run(**arguments)


def as_bytes(tensor: Tensor | None) -> Tensor | None:
    """The same memory, where it is of bool, as bytes."""
    return tensor.view(torch.uint8) if tensor is not None and tensor.dtype == torch.bool else tensor


def strides(tensor: Tensor | None) -> dict[str, int]:
    """The strides of a matrix, by the names that kernels give them."""
    row, column = (0, 0) if tensor is None else tensor.stride()
    return {"row": row, "column": column}


def is_double(tensor: Tensor) -> bool:
    """Whether a tensor is in float64."""
    return tensor.dtype == torch.float64


def capability(on: Tensor) -> int:
    """The compute capability of a tensor's device, times ten; Triton's interpreter runs as if on Hopper."""
    major, minor = torch.cuda.get_device_capability(on.device) if on.is_cuda else divmod(launch.HOPPER, 10)
    return 10 * major + minor
