"""Functions on a CPU that run as they are, and as operators of torch where something must see every operation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from obrl_torch import host

_LIBRARY = torch.library.Library("obrl", "FRAGMENT")
# `torch.library.custom_op` would put two kernels for autograd in front of each, in Python, which cost more than it.


def operator(
    name: str, function: Callable[..., Any], fake: Callable[..., Any], mutated: Sequence[str] = ()
) -> Callable[..., Any]:
    """Register a function as `torch.ops.obrl.NAME`, and call it as it is where nothing need see it.

    An operator stands for it in a graph that is compiled, under a dispatch mode, and for subclasses of Tensor.

    Args:
        name: of the operator.
        function: what it does; its annotations make the schema.
        fake: makes room for what the function gives.
        mutated: the arguments that it writes.
    """
    schema = torch.library.infer_schema(function, mutates_args=mutated)
    _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, function, "CPU")
    torch.library.register_fake(f"obrl::{name}", fake, lib=_LIBRARY)
    registered = getattr(torch.ops.obrl, name).default

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return (registered if host.is_hidden() or not _are_plain(arguments) else function)(*arguments)

    return call


def _are_plain(arguments: Sequence[Any]) -> bool:
    """Whether no tensor is of a subclass, whose operations its class may want to see."""
    return all(type(argument) in (Tensor, Parameter) for argument in arguments if isinstance(argument, Tensor))
