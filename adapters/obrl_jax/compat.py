"""What this adapter reads of JAX that is not documented as public, or differs between the versions it supports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec


def is_traced(array: Any) -> bool:
    """Whether the array stands for values that JAX has not computed yet.

    JAX exports the class of tracers but documents no way to ask. A public predicate would replace this.
    """
    return isinstance(array, jax.core.Tracer)


def primal_value(array: Any) -> Any:
    """The value of an array that `jax.grad` or `jax.jvp` follows; any other array, and that of `jax.jit`, as it is.

    JAX documents no way from a tracer to what it stands for. Without the attribute, tracers are returned as they are.
    """
    while is_traced(array) and hasattr(array, "primal"):
        array = array.primal
    return array


_PASSING = ("broadcast_in_dim", "convert_element_type", "dynamic_slice", "reshape", "slice", "squeeze", "transpose")
"""Primitives that change no value."""


def traced_operation(array: Any) -> str | None:
    """The name of the primitive that gives this array in the program that `jax.jit` traces; None where none is known.

    Casts, slices and changes of shape are passed over, and a softmax, which is several primitives, is "softmax".

    JAX documents `jaxpr.eqns` of finished programs only. A documented way to ask a tracer for its equation would
    replace this. Before JAX 0.7 a tracer does not know its equation, and the result is None.
    """
    name, inputs = _equation(array)
    if name == "div" and [_equation(part)[0] for part in inputs] == ["exp", "reduce_sum"]:
        return "softmax"
    return name


def _equation(array: Any) -> tuple[str | None, Any]:
    """The primitive that gives a traced array, and the arrays that it takes, before primitives that change no value."""
    while is_traced(array):
        parent = getattr(array, "parent", None)
        primitive, inputs = getattr(parent, "primitive", None), getattr(parent, "in_tracers", ())
        if primitive is None or str(primitive.name) not in _PASSING or not inputs:
            return None if primitive is None else str(primitive.name), inputs
        array = inputs[0]
    return None, ()


def default_platform() -> str:
    """The platform that a program without concrete arrays is compiled for: `"cpu"`, `"gpu"`, ...

    `jax.default_backend()` does not see `jax.default_device`, whose value only the configuration holds. A public
    function that gives the default device would replace this.
    """
    device = getattr(jax.config, "jax_default_device")  # noqa: B009 - JAX does not declare this attribute
    platform = str(getattr(device, "platform", device) or jax.default_backend())
    return "gpu" if platform == "cuda" else platform


def explicit_axes(array: Any) -> tuple[Any, ...]:
    """The explicit mesh axis (or axes, or None) that each dimension is sharded over.

    `jax.typeof` is public; what it returns is documented only by examples.
    """
    return tuple(jax.typeof(array).sharding.spec)


def varying_type(arrays: Sequence[Any]) -> dict[str, Any]:
    """Arguments of `jax.ShapeDtypeStruct` for a result that varies over the `jax.shard_map` axes of any of the arrays.

    JAX 0.10 renamed the attribute and the argument. With JAX 0.10 as the oldest version one branch remains.
    """
    types = [jax.typeof(array) for array in arrays]
    renamed = hasattr(jax.sharding, "ManualAxisType")
    axes = frozenset[Any]().union(*(kind.manual_axis_type.varying if renamed else kind.vma for kind in types))
    if not axes:
        return {}
    varying = {"manual_axis_type": jax.sharding.ManualAxisType(varying=axes)} if renamed else {"vma": axes}
    return {**varying, "sharding": NamedSharding(jax.sharding.get_abstract_mesh(), PartitionSpec())}
