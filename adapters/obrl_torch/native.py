"""What the operators of native code share: how they are registered and called, and what they read of a tensor.

An operator is called directly in eager mode; under `torch.compile`, tracing, dispatch modes and for subclasses of
Tensor it is called as a registered operator, `torch.ops.obrl.native_...`. It checks nothing and differentiates nothing:
`criterion` and `fused` check, and `one_pass.OnePass` differentiates.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from obrl_native import cpu
from obrl_torch.compat import is_recorded

DTYPES = {torch.bool: cpu.UINT8, torch.uint8: cpu.UINT8, torch.float32: cpu.FLOAT32, torch.float64: cpu.FLOAT64}
# Not `torch.library.custom_op`: it wraps each operator in two Python kernels for autograd, slower than the operator.
_LIBRARY = torch.library.Library("obrl", "FRAGMENT")
_PLAIN = {Tensor, Parameter, type(None), float, str, torch.dtype}
"""The types of the arguments of a direct call."""


def operator(function: Callable[..., Any], fake: Callable[..., Any], mutated: Sequence[str] = ()) -> Callable[..., Any]:
    """Register a function as the operator `obrl::native_NAME`, and call it directly where nothing needs to see it.

    Args:
        function: `_NAME`; its annotations give the operator's schema.
        fake: takes the same arguments and gives empty tensors of the shapes and dtypes of the result.
        mutated: the names of the arguments that it writes into.
    """
    name = f"native{function.__name__}"
    schema = torch.library.infer_schema(function, mutates_args=mutated)
    _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, function, "CPU")
    torch.library.register_fake(f"obrl::{name}", fake, lib=_LIBRARY)
    registered = getattr(torch.ops.obrl, name).default

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        is_eager = not is_recorded() and _PLAIN.issuperset(map(type, arguments))
        return (function if is_eager else registered)(*arguments)

    return call


def address(tensor: Tensor | None) -> int | None:
    """Where the numbers of a contiguous tensor begin, which the caller keeps alive."""
    return None if tensor is None else tensor.data_ptr()


def contiguous(tensor: Tensor | None, dtype: torch.dtype | None = None) -> Tensor | None:
    """A tensor whose memory is in order, in a dtype (None is its own)."""
    if tensor is None or dtype is None or tensor.dtype == dtype:  # `to` takes a while even where it does nothing
        return None if tensor is None else tensor.contiguous()
    return tensor.to(dtype).contiguous()
