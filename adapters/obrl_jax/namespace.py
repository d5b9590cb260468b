"""The algebra's functions in JAX."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from obrl.namespace import Namespace


class _Jax:
    sqrt = staticmethod(jnp.sqrt)
    sigmoid = staticmethod(jax.nn.sigmoid)
    log_sigmoid = staticmethod(jax.nn.log_sigmoid)
    transpose = staticmethod(jnp.transpose)

    def matmul(self, a: Array, b: Array, /) -> Array:
        # By default an accelerator rounds the factors of a float32 product to TF32 or bfloat16.
        return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        return jnp.where(condition, a, b)

    def sum(self, a: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
        return jnp.sum(a, axis=axis, keepdims=keepdims)

    def cast(self, a: Array, /, *, like: Array) -> Array:
        return jnp.asarray(a, like.dtype)

    def eye(self, *, like: Array) -> Array:
        return jnp.eye(like.shape[0], dtype=bool)

    def stack(self, arrays: Sequence[Array | float], /, *, like: Array) -> Array:
        return jnp.stack([jnp.broadcast_to(jnp.asarray(a, like.dtype), like.shape) for a in arrays])

    def unstack(self, a: Array, /) -> Sequence[Array]:
        return jnp.unstack(a)


JAX: Namespace = _Jax()
