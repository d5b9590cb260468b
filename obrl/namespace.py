"""The few array functions that the algebra is written in, and NumPy's version of them.

Eq. 1, the measures and the algebra take a `Namespace` as their first argument and use nothing else but the
operators `+ - * / //`, unary `-`, comparisons and `& | ~`, with other arrays or Python numbers. Whatever offers these
functions can run them, so no framework's operations need a second copy of a formula. Native code and kernels have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""An array of whichever framework the namespace belongs to."""


class Namespace(Protocol):
    """What a framework must offer. Arrays have rank 0 to 3; functions return new arrays or views."""

    def matmul(self, a: Array, b: Array, /) -> Array:
        """The matrix product of two rank-2 arrays of one dtype, at that dtype's full precision."""

    def transpose(self, a: Array, /) -> Array:
        """The transpose of a rank-2 array."""

    def sum(self, a: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
        """The sum over one axis, or over all."""

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        """`a` where `condition`, else `b`, broadcast; at least one of them is an array."""

    def sqrt(self, a: Array, /) -> Array:
        """The elementwise square root; it may use the memory of `a`."""

    def sigmoid(self, a: Array, /) -> Array:
        """1 / (1 + exp(-a)), elementwise, without overflow."""

    def log_sigmoid(self, a: Array, /) -> Array:
        """log(sigmoid(a)), elementwise, finite for every finite `a`."""

    def stop_gradient(self, a: Array, /) -> Array:
        """`a`, through which no gradient flows."""

    def cast(self, a: Array, /, *, like: Array) -> Array:
        """`a` in the dtype of `like`."""

    def eye(self, *, like: Array) -> Array:
        """The identity matrix of the size of the square `like`, as bool."""

    def small_integers(self, a: Array, /) -> Array:
        """A bool array as int8, whose arithmetic costs a CPU a quarter of float32's; any other as it is."""

    def set_diagonal(self, a: Array, row: Array, /) -> Array:
        """A square matrix with the (1, size) `row` as its diagonal; it may use the memory of `a`."""

    def stack(self, arrays: Sequence[Array], /, *, like: Array) -> Array:
        """Arrays or numbers, each broadcast to the shape of `like`, stacked along a new first axis."""

    def unstack(self, a: Array, /) -> Sequence[Array]:
        """The arrays along the first axis."""


class NumPyNamespace:
    """NumPy's version; what each function does is said above."""

    sqrt = staticmethod(np.sqrt)

    def matmul(self, a: Array, b: Array, /) -> Array:
        return np.matmul(a, b)

    def transpose(self, a: Array, /) -> Array:
        return a.T

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        return np.where(condition, a, b)

    def sum(self, a: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
        reduce: Any = np.add.reduce  # `np.sum` costs two calls more
        return reduce(a, axis=axis, keepdims=keepdims)

    def sigmoid(self, a: Array, /) -> Array:
        return 0.5 * (1.0 + np.tanh(0.5 * a))

    def log_sigmoid(self, a: Array, /) -> Array:
        return np.minimum(a, 0) - np.log1p(np.exp(-np.abs(a)))

    def stop_gradient(self, a: Array, /) -> Array:
        return a

    def cast(self, a: Array, /, *, like: Array) -> Array:
        return np.asarray(a).astype(like.dtype)

    def eye(self, *, like: Array) -> Array:
        return np.eye(like.shape[0], dtype=bool)

    def small_integers(self, a: Array, /) -> Array:
        return a.view(np.int8) if a.dtype == np.bool_ else a

    def set_diagonal(self, a: Array, row: Array, /) -> Array:
        np.fill_diagonal(a, row)
        return a

    def stack(self, arrays: Sequence[Array], /, *, like: Array) -> Array:
        return np.stack([np.broadcast_to(np.asarray(a, like.dtype), like.shape) for a in arrays])

    def unstack(self, a: Array, /) -> Sequence[Array]:
        return tuple(a)


NUMPY: Namespace = NumPyNamespace()
