"""The algebra's functions in JAX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from obrl.namespace import Namespace
from obrl_jax.compat import explicit_axes


def _placement(b: Array) -> dict[str, Any]:
    """The sharding of a product with b: none, if it sums over rows that an explicit mesh axis shards over devices.

    JAX wants to be told; for axes of other types it decides by itself.
    """
    rows = explicit_axes(b)[:1]
    return {} if not rows or rows[0] is None else {"out_sharding": PartitionSpec(None, None)}


@jax.custom_jvp
def _log_sigmoid(a: Array) -> Array:
    return jax.nn.log_sigmoid(a)


# JAX's own derivative, through logaddexp, is off by two roundings near 1, which 1 - y - derivative then shows.
_log_sigmoid.defjvps(lambda tangent, _, a: jax.nn.sigmoid(-a) * tangent)


class _Jax:
    sqrt = staticmethod(jnp.sqrt)
    sigmoid = staticmethod(jax.nn.sigmoid)
    log_sigmoid = staticmethod(_log_sigmoid)
    transpose = staticmethod(jnp.transpose)
    stop_gradient = staticmethod(jax.lax.stop_gradient)

    def matmul(self, a: Array, b: Array, /) -> Array:
        # By default an accelerator rounds the factors of a float32 product to TF32 or bfloat16.
        return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST, **_placement(b))

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        return jnp.where(condition, a, b)

    def sum(self, a: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
        return jnp.sum(a, axis=axis, keepdims=keepdims)

    def cast(self, a: Array, /, *, like: Array) -> Array:
        return jnp.asarray(a, like.dtype)

    def eye(self, *, like: Array) -> Array:
        return jnp.eye(like.shape[0], dtype=bool)

    def small_integers(self, a: Array, /) -> Array:
        return a.astype(jnp.int8) if a.dtype == jnp.bool_ else a

    def set_diagonal(self, a: Array, row: Array, /) -> Array:
        return jnp.where(self.eye(like=a), row, a)

    def stack(self, arrays: Sequence[Array | float], /, *, like: Array) -> Array:
        return jnp.stack([jnp.broadcast_to(jnp.asarray(a, like.dtype), like.shape) for a in arrays])

    def unstack(self, a: Array, /) -> Sequence[Array]:
        return jnp.unstack(a)


JAX: Namespace = _Jax()
