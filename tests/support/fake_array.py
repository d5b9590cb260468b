"""An array that offers nothing but operators, and a namespace that takes nothing else.

The algebra, the measures and Eq. 1 serve every framework, so they may use only what `obrl.namespace.Namespace` lists:
no method, no attribute, no index, no `@`, no truth value, and no operator with an array of another kind.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from obrl.namespace import NUMPY

_VALUES: dict[int, NDArray[Any]] = {}
"""The values live outside, so that an instance has no attribute to reach for."""


class FakeArray:
    """See the module."""

    __slots__ = ("__weakref__",)
    __array_ufunc__ = None  # NumPy's operators refuse it

    def __del__(self) -> None:
        _VALUES.pop(id(self), None)

    def __bool__(self) -> NoReturn:
        raise TypeError("a fake array has no truth value: the algebra must not branch on values")

    __hash__ = None  # type: ignore[assignment]


def fake(values: Any) -> FakeArray:
    """Wrap an array."""
    array = FakeArray()
    _VALUES[id(array)] = np.asarray(values)
    return array


def values_of(array: FakeArray) -> NDArray[Any]:
    """Unwrap an array; raise TypeError for anything else."""
    if not isinstance(array, FakeArray):
        raise TypeError(f"expected a fake array, got {type(array).__name__}")
    return _VALUES[id(array)]


def _operand(value: Any) -> Any:
    if isinstance(value, FakeArray):
        return values_of(value)
    if type(value) in (int, float, bool):
        return value
    raise TypeError(f"a fake array has no operators with {type(value).__name__}")


def _binary(function: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[[FakeArray, Any], FakeArray]:
    def apply(self: FakeArray, other: Any) -> FakeArray:
        pair = (_operand(other), values_of(self)) if swapped else (values_of(self), _operand(other))
        with np.errstate(divide="raise", invalid="raise"):  # no step creates a NaN
            return fake(function(*pair))

    return apply


def _unary(function: Callable[[Any], Any]) -> Callable[[FakeArray], FakeArray]:
    def apply(self: FakeArray) -> FakeArray:
        return fake(function(values_of(self)))

    return apply


for _name in ("add", "sub", "mul", "truediv", "floordiv"):
    setattr(FakeArray, f"__{_name}__", _binary(getattr(operator, _name)))
    setattr(FakeArray, f"__r{_name}__", _binary(getattr(operator, _name), swapped=True))
for _name in ("lt", "le", "gt", "ge", "and_", "or_"):
    setattr(FakeArray, f"__{_name.strip('_')}__", _binary(getattr(operator, _name)))
setattr(FakeArray, "__neg__", _unary(operator.neg))  # noqa: B010
setattr(FakeArray, "__invert__", _unary(operator.invert))  # noqa: B010


class StrictNamespace:
    """The namespace of fake arrays: every argument must be one, of the rank and dtype that the protocol says."""

    def matmul(self, a: FakeArray, b: FakeArray, /) -> FakeArray:
        left, right = values_of(a), values_of(b)
        if left.ndim != 2 or right.ndim != 2 or left.dtype != right.dtype or left.dtype.kind != "f":
            raise TypeError(f"matmul needs two floating matrices of one dtype, got {left.dtype} and {right.dtype}")
        return fake(NUMPY.matmul(left, right))

    def transpose(self, a: FakeArray, /) -> FakeArray:
        if values_of(a).ndim != 2:
            raise TypeError("transpose needs a matrix")
        return fake(NUMPY.transpose(values_of(a)))

    def sum(self, a: FakeArray, /, *, axis: int | None = None, keepdims: bool = False) -> FakeArray:
        return fake(NUMPY.sum(values_of(a), axis=axis, keepdims=keepdims))

    def where(self, condition: FakeArray, a: FakeArray | float, b: FakeArray | float, /) -> FakeArray:
        conditions = values_of(condition)
        if conditions.dtype != np.bool_ or not (isinstance(a, FakeArray) or isinstance(b, FakeArray)):
            raise TypeError("where needs a bool condition and at least one array")
        return fake(NUMPY.where(conditions, _operand(a), _operand(b)))

    def sqrt(self, a: FakeArray, /) -> FakeArray:
        return fake(NUMPY.sqrt(values_of(a)))

    def sigmoid(self, a: FakeArray, /) -> FakeArray:
        return fake(NUMPY.sigmoid(values_of(a)))

    def log_sigmoid(self, a: FakeArray, /) -> FakeArray:
        return fake(NUMPY.log_sigmoid(values_of(a)))

    def stop_gradient(self, a: FakeArray, /) -> FakeArray:
        return fake(NUMPY.stop_gradient(values_of(a)))

    def cast(self, a: FakeArray, /, *, like: FakeArray) -> FakeArray:
        return fake(NUMPY.cast(values_of(a), like=values_of(like)))

    def eye(self, *, like: FakeArray) -> FakeArray:
        return fake(NUMPY.eye(like=values_of(like)))

    def small_integers(self, a: FakeArray, /) -> FakeArray:
        return fake(NUMPY.small_integers(values_of(a)))

    def set_diagonal(self, a: FakeArray, row: FakeArray, /) -> FakeArray:
        matrix, diagonal = values_of(a), values_of(row)
        if matrix.shape != (diagonal.size, diagonal.size) or diagonal.ndim != 2 or matrix.dtype != diagonal.dtype:
            raise TypeError("set_diagonal needs a square matrix and a row of one size and dtype")
        return fake(NUMPY.set_diagonal(matrix, diagonal))

    def stack(self, arrays: Sequence[FakeArray | float], /, *, like: FakeArray) -> FakeArray:
        return fake(NUMPY.stack([_operand(array) for array in arrays], like=values_of(like)))

    def unstack(self, a: FakeArray, /) -> Sequence[FakeArray]:
        return tuple(fake(part) for part in NUMPY.unstack(values_of(a)))


STRICT = StrictNamespace()
