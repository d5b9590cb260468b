"""The algebra's functions in keras.ops, for every backend of Keras 3."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

from keras import backend, ops

from obrl.namespace import Namespace

Tensor = Any
"""A tensor of Keras's backend."""


def _reduced_precision(a: Tensor) -> bool:
    """Whether the backend may round the factors of a float32 product to TF32 or bfloat16."""
    framework = sys.modules[backend.backend()]
    if backend.backend() == "tensorflow":
        tf32 = framework.config.experimental.tensor_float_32_execution_enabled()
        return bool(tf32 and framework.config.list_physical_devices("GPU"))
    if backend.backend() == "torch":
        settings = framework.backends.cuda if a.device.type == "cuda" else framework.backends.mkldnn
        precision = getattr(getattr(settings, "matmul", None), "fp32_precision", None)
        if precision is None:  # torch before 2.9
            return bool(framework.get_float32_matmul_precision() != "highest")
        return precision not in ("ieee", "none")
    return False


@cache
def _log_sigmoid_of_jax() -> Callable[[Tensor], Tensor]:
    """log_sigmoid with derivative sigmoid(-x): JAX's is two roundings off near 1, which the gradient of L_E shows."""
    jax = sys.modules["jax"]
    function = jax.custom_jvp(jax.nn.log_sigmoid)
    function.defjvps(lambda tangent, _, a: jax.nn.sigmoid(-a) * tangent)
    return function


class _Keras:
    sqrt = staticmethod(ops.sqrt)
    sigmoid = staticmethod(ops.sigmoid)
    stop_gradient = staticmethod(ops.stop_gradient)

    def log_sigmoid(self, a: Tensor, /) -> Tensor:
        return _log_sigmoid_of_jax()(a) if backend.backend() == "jax" else ops.log_sigmoid(a)

    def matmul(self, a: Tensor, b: Tensor, /) -> Tensor:
        if dtype_name(a) == "float32" and _reduced_precision(a):
            return ops.cast(ops.cast(a, "float64") @ ops.cast(b, "float64"), "float32")
        in_jax = backend.backend() == "jax"  # which asks for precision in another way
        with sys.modules["jax"].default_matmul_precision("highest") if in_jax else nullcontext():
            return a @ b  # `ops.matmul` rounds torch's float64 to float32

    def transpose(self, a: Tensor, /) -> Tensor:
        return ops.transpose(a)

    def where(self, condition: Tensor, a: Tensor | float, b: Tensor | float, /) -> Tensor:
        return ops.where(condition, a, b)

    def sum(self, a: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return ops.sum(a, axis=axis, keepdims=keepdims)

    def cast(self, a: Tensor, /, *, like: Tensor) -> Tensor:
        return ops.cast(a, dtype_name(like))

    def eye(self, *, like: Tensor) -> Tensor:
        index = ops.arange(like.shape[0], dtype="int32")
        return ops.expand_dims(index, 0) == ops.expand_dims(index, 1)

    def small_integers(self, a: Tensor, /) -> Tensor:
        # In float32: not every device of every backend computes with int8.
        return ops.cast(a, "float32") if dtype_name(a) == "bool" else a

    def set_diagonal(self, a: Tensor, row: Tensor, /) -> Tensor:
        return ops.where(self.eye(like=a), row, a)

    def stack(self, arrays: Sequence[Tensor | float], /, *, like: Tensor) -> Tensor:
        dtype = dtype_name(like)
        return ops.stack([ops.broadcast_to(ops.cast(a, dtype), like.shape) for a in arrays])

    def unstack(self, a: Tensor, /) -> Sequence[Tensor]:
        return tuple(ops.unstack(a, axis=0))


def dtype_name(tensor: Tensor) -> str:
    """The name of a tensor's dtype in any backend, also of one that Keras has no name for."""
    name = getattr(tensor.dtype, "name", None) or str(tensor.dtype)
    return str(name).removeprefix("torch.")


KERAS: Namespace = _Keras()
