"""The algebra's functions in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from obrl.namespace import Namespace
from obrl_torch.compat import constant_in_graphs


@constant_in_graphs
def reduced_precision(device_type: str) -> bool:
    """Whether float32 products on this device may be rounded to TF32 or bfloat16.

    `torch.compile` compiles a step anew when `torch.set_float32_matmul_precision` or CUDA's setting changes; set
    oneDNN's own setting before compiling.
    """
    if device_type not in ("cpu", "cuda"):
        return False
    backend = torch.backends.cuda if device_type == "cuda" else torch.backends.mkldnn
    precision = getattr(getattr(backend, "matmul", None), "fp32_precision", None)
    if precision is None:  # torch before 2.9
        return torch.get_float32_matmul_precision() != "highest"
    return precision not in ("ieee", "none")


class _Torch:
    sqrt = staticmethod(torch.sqrt_)
    sigmoid = staticmethod(torch.sigmoid)
    log_sigmoid = staticmethod(logsigmoid)
    stop_gradient = staticmethod(Tensor.detach)

    def matmul(self, a: Tensor, b: Tensor, /) -> Tensor:
        if a.dtype == torch.float32 and reduced_precision(a.device.type):
            return (a.double() @ b.double()).float()
        return a @ b

    def transpose(self, a: Tensor, /) -> Tensor:
        return a.mT

    def where(self, condition: Tensor, a: Tensor | float, b: Tensor | float, /) -> Tensor:
        return torch.where(condition, a, b)

    def sum(self, a: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return a.sum() if axis is None else a.sum(dim=axis, keepdim=keepdims)

    def cast(self, a: Tensor, /, *, like: Tensor) -> Tensor:
        if a.dtype == torch.bool and not torch.compiler.is_compiling():
            a = a.view(torch.uint8)  # on a CPU torch converts bytes eight times as fast
        return a.to(like.dtype)

    def eye(self, *, like: Tensor) -> Tensor:
        return torch.eye(like.shape[0], dtype=torch.bool, device=like.device)

    def small_integers(self, a: Tensor, /) -> Tensor:
        if a.dtype != torch.bool:
            return a
        return a.to(torch.int8) if torch.compiler.is_compiling() else a.view(torch.int8)

    def set_diagonal(self, a: Tensor, row: Tensor, /) -> Tensor:
        if torch.compiler.is_compiling():  # fuses with what follows
            return torch.where(self.eye(like=a), row, a)
        a.diagonal().copy_(row[0])
        return a

    def stack(self, arrays: Sequence[Tensor | float], /, *, like: Tensor) -> Tensor:
        return torch.stack([a.expand_as(like) if isinstance(a, Tensor) else torch.full_like(like, a) for a in arrays])

    def unstack(self, a: Tensor, /) -> Sequence[Tensor]:
        return a.unbind(0)


TORCH: Namespace = _Torch()
