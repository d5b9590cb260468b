"""What launches need to know of a tensor, beside its address."""

from __future__ import annotations

import torch
from torch import Tensor

from obrl_torch.kernels import launch


def as_bytes(tensor: Tensor | None) -> Tensor | None:
    """A view of a bool tensor as bytes; any other tensor itself."""
    return tensor.view(torch.uint8) if tensor is not None and tensor.dtype == torch.bool else tensor


def strides(tensor: Tensor | None) -> dict[str, int]:
    """The strides of a matrix, by the names of the kernels' arguments."""
    row, column = (0, 0) if tensor is None else tensor.stride()
    return {"row": row, "column": column}


def is_double(tensor: Tensor) -> bool:
    """Whether a tensor is in float64."""
    return tensor.dtype == torch.float64


def capability(tensor: Tensor) -> int:
    """The compute capability of a tensor's device, times ten; that of Hopper where a CPU interprets the kernels."""
    major, minor = torch.cuda.get_device_capability(tensor.device) if tensor.is_cuda else divmod(launch.HOPPER, 10)
    return 10 * major + minor
