"""Everything here touches private parts of torch, because torch has no public call for it yet.

One function each, with the reason and the public call it waits for. No other file of this package uses a name of torch
that starts with one underscore, except `Module._apply`, which torch's own modules override in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

Function = TypeVar("Function", bound=Callable[..., object])


def constant_in_graphs(function: Function) -> Function:
    """Let `torch.compile` call a function while it traces, and treat the result as a constant of the graph.

    Waits for `torch.compiler.assume_constant_result` to set this mark without importing the compiler, which would make
    `import obrl.torch` take a second longer.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


@constant_in_graphs
def in_transform() -> bool:
    """Whether a transform of `torch.func` (grad, vmap, jvp) or forward-mode differentiation is under way.

    `OnePass` and the fused implementations have no rule for these. Waits for a public counterpart of
    `torch.compiler.is_compiling` for `torch.func` and for `torch.autograd.forward_ad`.
    """
    return bool(torch._C._functorch.peek_interpreter_stack()) or forward_ad._current_level >= 0


def is_recorded() -> bool:
    """Whether something records operations for later: `torch.compile`, `torch.jit.trace`, or a `TorchDispatchMode`.

    A dispatch mode is what FakeTensorMode, `make_fx` and profilers use. What a recording concludes from the values of
    one batch would hold for all later ones. Waits for `torch.utils.is_in_torch_dispatch_mode`.
    """
    is_traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined] # public, but not in __all__
    return torch.compiler.is_compiling() or is_traced or is_in_torch_dispatch_mode()


def outside_transforms() -> AbstractContextManager[Any]:
    """Leave the transforms of `torch.func`, which forbid writing into a tensor that they did not make.

    The state of a module is such a tensor. Waits for a public way to update it, as batch normalisation does in C++.
    """
    return temporarily_clear_interpreter_stack()


def without_gradient(tensor: Tensor) -> Tensor:
    """The values of a tensor that `torch.func.grad` or `jvp` has wrapped; any other tensor as it is.

    Waits for a public `unwrap`, since `detach` gives a wrapped tensor again.
    """
    while torch._C._functorch.is_gradtrackingtensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def is_wrapped(tensor: Tensor) -> bool:
    """Whether a transform of `torch.func` has wrapped a tensor; waits for a public counterpart."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


def compiled_module(module: nn.Module) -> nn.Module | None:
    """The module that `torch.compile(module)` was given, from what it returned; None for any other module.

    Waits for a public name of it.
    """
    return getattr(module, "_orig_mod", None)


def watch_compiled_calls(module: nn.Module, see: Callable[..., None]) -> Callable[[], None] | None:
    """Let `see` have the arguments of each call of a module that was compiled in place, outside of its graph.

    A hook of the module would be compiled with it. Waits for hooks around `Module.compile`.

    Returns:
        What ends it; None where the module was not compiled with `module.compile()`.
    """
    call = getattr(module, "_compiled_call_impl", None)
    if call is None:
        return None

    def watched(*args: Any, **kwargs: Any) -> Any:
        see(*args, **kwargs)
        return call(*args, **kwargs)

    module._compiled_call_impl = watched
    return lambda: setattr(module, "_compiled_call_impl", call)
